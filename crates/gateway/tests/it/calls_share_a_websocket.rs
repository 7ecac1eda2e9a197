use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json as value};
use sockeye_gateway::Gateway;
use sockeye_gateway::dialect::framing::{CallMessage, ClientFrame, ServerFrame};
use sockeye_gateway::dispatch::Codec;
use sockeye_gateway::status::Code;
use sockeye_gateway_testing::proto::EchoMessage;
use sockeye_gateway_testing::{Proxy, Server};

use crate::sockets::{CallsClient, SERVICE, encoded, json, metadata, receive_close, serve, start};
use crate::support::{ServedGateway, message, upstream, wait_for};

#[tokio::test]
async fn all_four_kinds_of_calls_pass_in_both_codecs() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    let mut id = 0;
    for codec in [Codec::Json, Codec::Proto] {
        for (method, requests, replies) in [
            ("Unary", vec![message("one")], vec!["one"]),
            ("Repeat", vec![EchoMessage { number: 3, ..message("x") }], vec!["x", "x", "x"]),
            ("Collect", vec![message("a"), message("b")], vec!["ab"]),
            ("Chat", vec![message("a"), message("b")], vec!["a", "b"]),
        ] {
            id += 1;
            let mut start = start(method);
            start.codec = codec;
            let requests = requests.iter().map(|request| encoded(codec, request)).collect();
            let called = client.call(id, start, requests).await;
            assert_eq!(called.end.code, Code::Ok, "{called:?}");
            assert_eq!(called.texts(), replies);
            assert!(called.headers.is_some());
        }
    }
    client.start_with(20, "Unary", r#"{"text":"at once"}"#).await;
    assert_eq!(client.finish(20).await.texts(), ["at once"]);
    // The end of the requests is in the last of them.
    let mut proto = start("Collect");
    proto.codec = Codec::Proto;
    client.start(21, proto).await;
    let last = ClientFrame::Message(21, encoded(Codec::Proto, &message("last")), true);
    client.send(last).await;
    assert_eq!(client.finish(21).await.texts(), ["last"]);
}

#[tokio::test]
async fn a_reply_may_come_before_the_next_request() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    client.start(1, start("Chat")).await;
    for text in ["a", "b"] {
        let request = json(&format!("{{\"text\":{text:?}}}"));
        client.send(ClientFrame::Message(1, request, false)).await;
        loop {
            if let ServerFrame::Message(1, CallMessage::Json(reply)) = client.next().await {
                let reply: Value = serde_json::from_str(&reply).unwrap();
                assert_eq!(reply["text"], text);
                break;
            }
        }
    }
    client.send(ClientFrame::HalfClose(1)).await;
    assert_eq!(client.finish(1).await.end.code, Code::Ok);
}

#[tokio::test]
async fn an_error_has_code_message_details_and_trailers() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    for (id, method, number) in [(1, "FailUnary", 0), (2, "Fail", 0), (3, "Fail", 2)] {
        let failure =
            value!({"code": 5, "message": "né", "detail": {"text": "why"}, "number": number});
        client.start_with(id, method, &failure.to_string()).await;
        let called = client.finish(id).await;
        assert_eq!((called.messages.len(), called.end.code), (number, Code::NotFound));
        assert_eq!(called.end.message, "né");
        assert_eq!(called.end.trailers["x-failure"], "yes");
        let details: Value = serde_json::from_str(&called.end.details).unwrap();
        assert_eq!(details[0]["text"], "why");
        let expected = "type.googleapis.com/sockeye.gateway.testing.EchoMessage";
        assert_eq!(details[0]["@type"], expected);
    }
}

#[tokio::test]
async fn metadata_come_from_the_handshake_then_auth_then_the_start() {
    let (_server, gateway) = serve(|builder| builder).await;
    let handshake = crate::sockets::client(&gateway, "/")
        .subprotocols(["sockeye.grpc.v1"])
        .header("x-first", "handshake")
        .header("x-second", "handshake");
    let mut client = CallsClient { socket: crate::sockets::connect(handshake).await };
    let auth = metadata(&[
        ("authorization", "Bearer t"),
        ("x-second", "auth"),
        ("x-third", "auth"),
        ("x-forwarded-for", "192.0.2.1"),
        ("grpc-timeout", "1n"),
    ]);
    client.send(ClientFrame::Auth(auth)).await;
    let mut metadata_call = start("Metadata");
    metadata_call.metadata = metadata(&[("x-third", "start"), ("x-data-bin", "AP8=")]);
    metadata_call.message = Some("{}".into());
    metadata_call.half_close = true;
    client.start(1, metadata_call).await;
    let called = client.finish(1).await;
    assert_eq!(called.end.code, Code::Ok, "{called:?}");
    let headers = called.headers.unwrap();
    assert_eq!(headers["x-echo"], "from the server");
    assert_eq!(headers["x-echo-bin"], "AP8");
    let CallMessage::Json(reply) = &called.messages[0] else { panic!("{:?}", called.messages) };
    let reply: Value = serde_json::from_str(reply).unwrap();
    let of = |name: &str| {
        let entries = reply["entries"].as_array().unwrap().iter();
        let values: Vec<_> = entries
            .filter(|entry| entry["name"] == name)
            .map(|entry| entry["value"].as_str().unwrap())
            .collect();
        values.join(" ")
    };
    assert_eq!(of("authorization"), "Bearer t");
    assert_eq!((of("x-first"), of("x-second")), ("handshake".into(), "auth".into()));
    assert_eq!((of("x-third"), of("x-data-bin")), ("start".into(), "b\"\\0\\xff\"".into()));
    assert!(!of("x-forwarded-for").contains("192.0.2.1"));
}

#[tokio::test]
async fn a_cancelled_call_ends_upstream_and_no_other_does() {
    let (server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    client.start_with(1, "Stall", "{}").await;
    client.start_with(2, "Stall", "{}").await;
    wait_for(server.echo.in_progress(), 2).await;
    client.send(ClientFrame::Cancel(1)).await;
    assert_eq!(client.finish(1).await.end.code, Code::Canceled);
    wait_for(server.echo.in_progress(), 1).await;
    // Too late, which the client may not know.
    client.send(ClientFrame::Cancel(1)).await;
    client.send(ClientFrame::Message(1, json("{}"), false)).await;
    client.start_with(3, "Unary", r#"{"text":"x"}"#).await;
    assert_eq!(client.finish(3).await.texts(), ["x"]);
}

#[tokio::test]
async fn a_client_that_vanishes_cancels_its_calls_upstream() {
    let (server, gateway) = serve(|builder| builder).await;
    for orderly in [true, false] {
        let mut client = CallsClient::connect(&gateway).await;
        client.start_with(1, "Stall", "{}").await;
        client.start_with(2, "Wait", r#"{"number":60000}"#).await;
        client.start(3, start("Chat")).await;
        wait_for(server.echo.in_progress(), 2).await;
        if orderly {
            client.socket.close(1000_u16, "").await.unwrap();
        } else {
            drop(client);
        }
        wait_for(server.echo.in_progress(), 0).await;
    }
}

#[tokio::test]
async fn a_part_of_the_requests_is_not_taken_for_all() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    client.start(1, start("Collect")).await;
    client.send(ClientFrame::Message(1, json(r#"{"text":"a"}"#), false)).await;
    client.send(ClientFrame::Cancel(1)).await;
    let called = client.finish(1).await;
    assert_eq!((called.messages.len(), called.end.code), (0, Code::Canceled));
}

#[tokio::test]
async fn a_deadline_is_enforced_also_without_credit() {
    let (server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    for (id, method, request, credit) in
        [(1, "Wait", r#"{"number":60000}"#, 1), (2, "Stall", "{}", 0)]
    {
        let mut start = start(method);
        start.timeout = Some(Duration::from_millis(200));
        start.credit = credit;
        start.message = Some(request.into());
        start.half_close = true;
        client.start(id, start).await;
        assert_eq!(client.finish(id).await.end.code, Code::DeadlineExceeded);
    }
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn faults_of_a_call_end_it_alone() {
    let (_server, gateway) = serve(|builder| builder.max_message_length(200)).await;
    let mut client = CallsClient::connect(&gateway).await;
    client.start(1, start("Chat")).await;
    let long = format!("{{\"text\":{:?}}}", "x".repeat(300));
    let mut proto = start("Unary");
    proto.codec = Codec::Proto;
    for (id, start, request, code) in [
        (2, start("Unary"), json(r#"{"text":5}"#), Code::InvalidArgument),
        (
            3,
            start("Unary"),
            CallMessage::Proto(Bytes::from_static(b"\x08\x01")),
            Code::InvalidArgument,
        ),
        (4, proto, json("{}"), Code::InvalidArgument),
        (5, start("Unary"), json(&long), Code::ResourceExhausted),
        (6, start("Missing"), json("{}"), Code::Unimplemented),
    ] {
        let called = client.call(id, start, vec![request]).await;
        assert_eq!((called.messages.len(), called.end.code), (0, code), "{called:?}");
    }
    let faulty = format!("{{\"id\":7,\"start\":{{\"method\":\"{SERVICE}/Unary\",\"codec\":1}}}}");
    client.socket.send(faulty).await.unwrap();
    assert_eq!(client.finish(7).await.end.code, Code::InvalidArgument);
    client.send(ClientFrame::HalfClose(1)).await;
    client.send(ClientFrame::HalfClose(1)).await;
    assert_eq!(client.finish(1).await.end.code, Code::Ok);
}

#[tokio::test]
async fn a_request_after_the_end_of_the_requests_fails_the_call() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    client.start_with(1, "Stall", "{}").await;
    client.send(ClientFrame::Message(1, json("{}"), false)).await;
    assert_eq!(client.finish(1).await.end.code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_message_that_is_not_of_the_protocol_closes_the_socket() {
    let (server, gateway) = serve(|builder| builder.max_message_length(1000)).await;
    let unknown = ClientFrame::Cancel(7).encode();
    let again = ClientFrame::Start(1, Box::new(start("Unary"))).encode();
    for (message, code) in [
        ("garbage".into(), 4400),
        (b"\x01\x02".into(), 4400),
        (unknown, 4400),
        (again, 4400),
        ("x".repeat(70_000).into(), 1009),
    ] {
        let mut client = CallsClient::connect(&gateway).await;
        client.start_with(1, "Stall", "{}").await;
        wait_for(server.echo.in_progress(), 1).await;
        client.socket.send(message).await.unwrap();
        // The headers and the message of the call may come before.
        while client.socket.close_frame().is_none() {
            let received = client.socket.recv().await.unwrap();
            assert_eq!(received.is_none(), client.socket.close_frame().is_some());
        }
        let close = client.socket.close_frame().unwrap();
        assert_eq!(u16::from(close.code), code, "{close}");
        wait_for(server.echo.in_progress(), 0).await;
    }
    let mut client = CallsClient::connect(&gateway).await;
    client.socket.send("[]").await.unwrap();
    let close = receive_close(&mut client.socket).await;
    assert_eq!(close.reason.as_str(), "a text message must be one JSON object");
}

#[tokio::test]
async fn calls_have_limits_for_each_socket_and_for_all() {
    let (server, gateway) = serve(|builder| builder.max_calls_per_socket(2).max_calls(3)).await;
    let mut client = CallsClient::connect(&gateway).await;
    let mut other = CallsClient::connect(&gateway).await;
    for id in [1, 2] {
        client.start_with(id, "Stall", "{}").await;
    }
    wait_for(server.echo.in_progress(), 2).await;
    client.start_with(3, "Unary", "{}").await;
    assert_eq!(client.finish(3).await.end.code, Code::ResourceExhausted);
    other.start_with(1, "Stall", "{}").await;
    wait_for(server.echo.in_progress(), 3).await;
    other.start_with(2, "Unary", "{}").await;
    assert_eq!(other.finish(2).await.end.code, Code::Unavailable);
    assert_eq!(gateway.get("/v1/echo/x").await.status, 503);
    client.send(ClientFrame::Cancel(1)).await;
    assert_eq!(client.finish(1).await.end.code, Code::Canceled);
    client.start_with(4, "Unary", "{}").await;
    assert_eq!(client.finish(4).await.end.code, Code::Ok);
}

#[tokio::test]
async fn an_upstream_that_dies_ends_its_calls() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let mut client = CallsClient::connect(&gateway).await;
    client.start_with(1, "Stall", "{}").await;
    wait_for(server.echo.in_progress(), 1).await;
    loop {
        if let ServerFrame::Message(1, _) = client.next().await {
            break;
        }
    }
    proxy.cut();
    assert_eq!(client.finish(1).await.end.code, Code::Unavailable);
}
