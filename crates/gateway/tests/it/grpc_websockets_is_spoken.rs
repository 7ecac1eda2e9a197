use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use prost::Message as _;
use sockeye::{Message, WebSocket};
use sockeye_gateway::Gateway;
use sockeye_gateway::dialect::framing::{
    Envelope, EnvelopeDecoder, EnvelopeFormat, FINISH, decode_header_block, encode_data,
    encode_header_block,
};
use sockeye_gateway_testing::proto::{EchoMessage, Failure};
use sockeye_gateway_testing::{Proxy, Server};

use crate::sockets::{SERVICE, client, connect, metadata, receive, receive_close, serve};
use crate::support::{ServedGateway, message, upstream, wait_for};

/// Opens the socket of a call, and sends its headers.
async fn open(
    gateway: &ServedGateway,
    method: &str,
    headers: &[(&'static str, &str)],
) -> WebSocket {
    let client = client(gateway, &format!("/{SERVICE}/{method}"));
    let mut socket = connect(client.subprotocols(["grpc-websockets"])).await;
    assert_eq!(socket.subprotocol(), Some("grpc-websockets"));
    let mut block = metadata(headers);
    block.insert("content-type", "application/grpc-web+proto".parse().unwrap());
    block.insert("x-grpc-web", "1".parse().unwrap());
    socket.send(encode_header_block(&block)).await.unwrap();
    socket
}

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    Envelope::encode(0, &message.encode_to_vec(), &mut out).unwrap();
    out.to_vec()
}

/// Begins a call with one request.
async fn call(gateway: &ServedGateway, method: &str, request: &impl prost::Message) -> WebSocket {
    let mut socket = open(gateway, method, &[]).await;
    socket.send(encode_data(&framed(request))).await.unwrap();
    socket.send(FINISH).await.unwrap();
    socket
}

#[derive(Debug)]
struct Reply {
    headers: HeaderMap,
    messages: Vec<EchoMessage>,
    trailers: HeaderMap,
}

/// Receives a whole reply, after which the server closes with 1000.
async fn finish(socket: &mut WebSocket) -> Reply {
    let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::GrpcWeb, 1 << 20);
    let (mut headers, mut messages) = (None, Vec::new());
    loop {
        let Message::Binary(payload) = receive(socket).await else { panic!("messages are binary") };
        let is_header_frame = payload[0] == Envelope::TRAILERS;
        if is_header_frame {
            let block = decode_header_block(&payload[5..]).unwrap();
            let Some(headers) = headers.take() else {
                headers = Some(block);
                continue;
            };
            let close = receive_close(socket).await;
            assert_eq!(u16::from(close.code), 1000);
            return Reply { headers, messages, trailers: block };
        }
        decoder.push(payload);
        while let Some(envelope) = decoder.next_envelope().unwrap() {
            messages.push(EchoMessage::decode(envelope.payload).unwrap());
        }
    }
}

#[tokio::test]
async fn all_four_kinds_of_calls_pass_and_trailers_come_before_the_close() {
    let (_server, gateway) = serve(|builder| builder).await;
    for (method, requests, replies) in [
        ("Unary", vec![message("one")], vec!["one"]),
        ("Repeat", vec![EchoMessage { number: 3, ..message("x") }], vec!["x", "x", "x"]),
        ("Collect", vec![message("a"), message("b")], vec!["ab"]),
        ("Chat", vec![message("a"), message("b")], vec!["a", "b"]),
    ] {
        let mut socket = open(&gateway, method, &[]).await;
        // Pieces need not be whole envelopes.
        let bytes: Vec<u8> = requests.iter().flat_map(framed).collect();
        for piece in bytes.chunks(4) {
            socket.send(encode_data(piece)).await.unwrap();
        }
        socket.send(FINISH).await.unwrap();
        let reply = finish(&mut socket).await;
        let texts: Vec<_> = reply.messages.iter().map(|reply| reply.text.as_str()).collect();
        assert_eq!(texts, replies);
        assert_eq!(reply.trailers["grpc-status"], "0");
        assert!(!reply.headers.contains_key("grpc-status"));
    }
}

#[tokio::test]
async fn a_reply_may_come_before_the_end_of_the_requests() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut socket = open(&gateway, "Chat", &[]).await;
    socket.send(encode_data(&framed(&message("a")))).await.unwrap();
    assert_eq!(receive(&mut socket).await.as_bytes()[0], Envelope::TRAILERS);
    assert_eq!(receive(&mut socket).await.as_bytes(), framed(&message("a")));
    socket.send(FINISH).await.unwrap();
    assert_eq!(receive(&mut socket).await.as_bytes()[0], Envelope::TRAILERS);
}

#[tokio::test]
async fn an_error_is_in_the_trailers() {
    let (_server, gateway) = serve(|builder| builder).await;
    let failure =
        Failure { code: 9, message: "no".to_owned(), detail: Some(message("why")), number: 0 };
    for (method, number) in [("FailUnary", 0), ("Fail", 0), ("Fail", 2)] {
        let failure = Failure { number, ..failure.clone() };
        let reply = finish(&mut call(&gateway, method, &failure).await).await;
        assert_eq!(reply.messages.len(), usize::try_from(number).unwrap());
        assert_eq!(reply.trailers["grpc-status"], "9");
        assert_eq!(reply.trailers["grpc-message"], "no");
        assert!(reply.trailers.contains_key("grpc-status-details-bin"));
        assert_eq!(reply.trailers["x-failure"], "yes");
    }
    let reply = finish(&mut call(&gateway, "Missing", &message("")).await).await;
    assert_eq!(reply.trailers["grpc-status"], "12");
}

#[tokio::test]
async fn metadata_and_the_timeout_are_in_the_headers_of_the_call() {
    let (server, gateway) = serve(|builder| builder).await;
    let mut socket = open(&gateway, "Wait", &[("grpc-timeout", "100m")]).await;
    let request = EchoMessage { number: 60_000, ..message("") };
    socket.send(encode_data(&framed(&request))).await.unwrap();
    let reply = finish(&mut socket).await;
    assert_eq!(reply.trailers["grpc-status"], "4");
    wait_for(server.echo.in_progress(), 0).await;
    let mut socket = open(&gateway, "Metadata", &[("x-tenant", "a")]).await;
    socket.send(encode_data(&framed(&message("")))).await.unwrap();
    socket.send(FINISH).await.unwrap();
    let headers = receive(&mut socket).await;
    let headers = decode_header_block(&headers.as_bytes()[5..]).unwrap();
    assert_eq!(headers["x-echo"], "from the server");
    let reply = receive(&mut socket).await;
    assert!(String::from_utf8_lossy(reply.as_bytes()).contains("x-tenant"));
}

#[tokio::test]
async fn a_socket_that_is_closed_cancels_its_call_upstream() {
    let (server, gateway) = serve(|builder| builder).await;
    for orderly in [true, false] {
        let mut socket = call(&gateway, "Stall", &message("")).await;
        wait_for(server.echo.in_progress(), 1).await;
        if orderly {
            socket.close(1000_u16, "").await.unwrap();
        } else {
            drop(socket);
        }
        wait_for(server.echo.in_progress(), 0).await;
    }
}

#[tokio::test]
async fn messages_that_are_not_of_the_protocol_fail_the_call() {
    let (_server, gateway) = serve(|builder| builder.max_message_length(100)).await;
    let long = encode_data(&framed(&message(&"x".repeat(101))));
    let request = encode_data(&framed(&message("")));
    for (method, messages, status) in [
        ("Chat", vec![Message::from("text")], "3"),
        ("Chat", vec![Bytes::from_static(b"\x02").into()], "3"),
        ("Stall", vec![request.into(), FINISH.into(), FINISH.into()], "3"),
        ("Chat", vec![long.into()], "8"),
    ] {
        let mut socket = open(&gateway, method, &[]).await;
        for message in messages {
            socket.send(message).await.unwrap();
        }
        let reply = finish(&mut socket).await;
        assert_eq!(reply.trailers["grpc-status"], status);
    }
    for first in [Bytes::from_static(b"no colon"), Bytes::from_static(b"content-type: text/plain")]
    {
        let client = client(&gateway, &format!("/{SERVICE}/Unary"));
        let mut socket = connect(client.subprotocols(["grpc-websockets"])).await;
        socket.send(first).await.unwrap();
        assert_eq!(finish(&mut socket).await.trailers["grpc-status"], "3");
    }
}

#[tokio::test]
async fn an_upstream_that_dies_ends_its_calls() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let mut socket = call(&gateway, "Stall", &message("")).await;
    wait_for(server.echo.in_progress(), 1).await;
    proxy.cut();
    assert_eq!(finish(&mut socket).await.trailers["grpc-status"], "14");
}
