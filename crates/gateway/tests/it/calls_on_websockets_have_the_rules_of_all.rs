use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue};
use sockeye::upgrade::{ForwardedHeader, TrustedProxies};
use sockeye::{Client, WebSocket};
use sockeye_gateway::auth::{AuthorizeFuture, Authorized, Authorizer, CallHead};
use sockeye_gateway::dialect::framing::{
    CallMessage, ClientFrame, FINISH, Packet, decode_header_block, encode_data,
};
use sockeye_gateway::status::{Code, Status};
use sockeye_gateway::{CallRecord, Dialect, Gateway, PacketRoutes, RateLimit};
use tokio::time::timeout;

use crate::sockets::{CallsClient, SERVICE, client, connect, receive, receive_close, serve};
use crate::support::{LIMIT, ServedGateway, message, upstream, wait_for};

/// Lets calls of `Unary` with the token `good` pass.
struct Tokens;

impl Authorizer for Tokens {
    fn authorize<'a>(&'a self, head: &'a CallHead<'a>) -> AuthorizeFuture<'a> {
        Box::pin(async move {
            assert!(head.peer.is_some());
            let token = head.headers.get("authorization").map(HeaderValue::as_bytes);
            let is_known = head.method.ends_with("/Unary") || head.method.ends_with("/Metadata");
            if token == Some(b"Bearer good") && is_known {
                let mut metadata = HeaderMap::new();
                metadata.insert("x-dialect", HeaderValue::from_static(head.dialect.name()));
                return Ok(Authorized { metadata });
            }
            Err(Status::new(Code::PermissionDenied, "not with this token"))
        })
    }
}

/// Opens a socket with `grpc-websockets`, and makes a unary call with an empty request.
async fn call_by_grpc_web(gateway: &ServedGateway, headers: &'static str) -> (WebSocket, u8) {
    let client = client(gateway, &format!("/{SERVICE}/Unary"));
    let mut socket = connect(client.subprotocols(["grpc-websockets"])).await;
    socket.send(headers.as_bytes()).await.unwrap();
    socket.send(encode_data(&[0; 5])).await.unwrap();
    socket.send(FINISH).await.unwrap();
    loop {
        let frame = receive(&mut socket).await;
        let is_header_frame = frame.as_bytes()[0] == 0x80;
        let block = is_header_frame.then(|| decode_header_block(&frame.as_bytes()[5..]).unwrap());
        if let Some(status) = block.and_then(|block| block.get("grpc-status").cloned()) {
            return (socket, status.as_bytes()[0] - b'0');
        }
    }
}

async fn close_code(client: Client) -> u16 {
    let mut socket = connect(client).await;
    while timeout(LIMIT, socket.recv()).await.unwrap().unwrap().is_some() {}
    socket.close_frame().unwrap().code.into()
}

#[tokio::test]
async fn the_authorizer_decides_on_each_call() {
    let routes = PacketRoutes::new("/packets").method(1, &format!("{SERVICE}/Unary")).unwrap();
    let (server, gateway) =
        serve(|builder| builder.authorizer(Tokens).packets(routes).tunnel_path("/tunnel")).await;

    let mut calls = CallsClient::connect(&gateway).await;
    calls.start_with(1, "Unary", "{}").await;
    assert_eq!(calls.finish(1).await.end.code, Code::PermissionDenied);
    let auth = crate::sockets::metadata(&[("authorization", "Bearer good")]);
    calls.send(ClientFrame::Auth(auth)).await;
    calls.start_with(2, "Metadata", "{}").await;
    let called = calls.finish(2).await;
    let CallMessage::Json(reply) = &called.messages[0] else { panic!("{called:?}") };
    assert!(reply.contains("x-dialect") && reply.contains("grpc"), "{reply}");
    calls.start_with(3, "Stall", "{}").await;
    assert_eq!(calls.finish(3).await.end.code, Code::PermissionDenied);

    assert_eq!(call_by_grpc_web(&gateway, "authorization: Bearer good\r\n").await.1, 0);
    assert_eq!(call_by_grpc_web(&gateway, "authorization: Bearer bad\r\n").await.1, 7);

    let json = || client(&gateway, "/v1/echo/x");
    assert_eq!(close_code(json().subprotocols(["Bearer", "good"])).await, 1000);
    assert_eq!(close_code(json()).await, 4007);

    let mut packets = connect(client(&gateway, "/packets")).await;
    let mut out = bytes::BytesMut::new();
    Packet { kind: 1, who: 1, content: bytes::Bytes::new() }.encode(&mut out).unwrap();
    packets.send(out).await.unwrap();
    assert_eq!(receive(&mut packets).await.as_bytes()[..4], [0; 4]);

    let channel = sockeye_grpc::Endpoint::new(client(&gateway, "/tunnel")).connect().await.unwrap();
    let mut tunnel = sockeye_gateway_testing::proto::echo_client::EchoClient::new(channel);
    let status = tunnel.unary(message("x")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    assert_eq!(server.echo.calls(), 2);
}

#[tokio::test]
async fn each_call_is_recorded_once() {
    let records = Arc::<Mutex<Vec<CallRecord>>>::default();
    let noted = Arc::clone(&records);
    let (_server, gateway) =
        serve(|builder| builder.observer(move |record| noted.lock().unwrap().push(record.clone())))
            .await;
    let mut calls = CallsClient::connect(&gateway).await;
    calls.start_with(1, "Repeat", r#"{"number":3}"#).await;
    calls.finish(1).await;
    calls.start_with(2, "FailUnary", r#"{"code":9}"#).await;
    calls.finish(2).await;
    calls.start_with(3, "Stall", "{}").await;
    calls.send(ClientFrame::Cancel(3)).await;
    calls.finish(3).await;
    call_by_grpc_web(&gateway, "x-a: 1\r\n").await;
    close_code(client(&gateway, "/v1/echo/x")).await;
    gateway.idle().await;
    let records = std::mem::take(&mut *records.lock().unwrap());
    let facts = |record: &CallRecord| {
        let method = record.method.as_deref().unwrap().rsplit('/').next().unwrap().to_owned();
        assert!(record.http_status.is_none() && record.peer.is_some(), "{record:?}");
        (record.dialect, method, record.code, record.response_messages)
    };
    let facts: Vec<_> = records.iter().map(facts).collect();
    assert_eq!(
        facts,
        [
            (Dialect::SockeyeGrpc, "Repeat".to_owned(), Code::Ok, 3),
            (Dialect::SockeyeGrpc, "FailUnary".to_owned(), Code::FailedPrecondition, 0),
            (Dialect::SockeyeGrpc, "Stall".to_owned(), Code::Canceled, facts[2].3),
            (Dialect::GrpcWebSockets, "Unary".to_owned(), Code::Ok, 1),
            (Dialect::JsonWebSocket, "Unary".to_owned(), Code::Ok, 1),
        ]
    );
    assert!(records[0].request_bytes > 0 && records[0].response_bytes > 0, "{:?}", records[0]);
}

#[tokio::test]
async fn the_rate_of_calls_is_limited_and_a_client_cannot_claim_another_address() {
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let (_server, gateway) = serve(|builder| {
        builder
            .trusted_proxies(proxies.header(ForwardedHeader::XForwardedFor))
            .rate_limit(RateLimit::per_peer(1, 2))
    })
    .await;
    let handshake = client(&gateway, "/")
        .subprotocols(["sockeye.grpc.v1"])
        .header("x-forwarded-for", "192.0.2.1");
    let mut calls = CallsClient { socket: connect(handshake).await };
    for id in 1..=100 {
        let auth = crate::sockets::metadata(&[("x-forwarded-for", "192.0.2.200")]);
        calls.send(ClientFrame::Auth(auth)).await;
        calls.start_with(id, "Unary", "{}").await;
        let end = calls.finish(id).await.end;
        if end.code != Code::Ok {
            assert_eq!(end.code, Code::ResourceExhausted);
            assert!(end.details.contains("RetryInfo"), "{}", end.details);
            return;
        }
    }
    panic!("a hundred calls passed");
}

#[tokio::test]
async fn sockets_close_when_the_gateway_drains_and_their_calls_have_ended() {
    let (server, gateway) = serve(|builder| builder).await;
    let mut idle = CallsClient::connect(&gateway).await;
    let mut busy = CallsClient::connect(&gateway).await;
    busy.start_with(1, "Stall", "{}").await;
    wait_for(server.echo.in_progress(), 1).await;
    let draining = tokio::spawn({
        let gateway = gateway.inner.clone();
        async move { gateway.drain().await }
    });
    assert_eq!(u16::from(receive_close(&mut idle.socket).await.code), 1001);
    busy.start_with(2, "Unary", "{}").await;
    assert_eq!(busy.finish(2).await.end.code, Code::Unavailable);
    busy.send(ClientFrame::Cancel(1)).await;
    assert_eq!(busy.finish(1).await.end.code, Code::Canceled);
    assert_eq!(u16::from(receive_close(&mut busy.socket).await.code), 1001);
    timeout(LIMIT, draining).await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_after_a_reload_have_the_new_settings() {
    let (server, gateway) = serve(|builder| builder).await;
    let mut calls = CallsClient::connect(&gateway).await;
    calls.start_with(1, "Unary", r#"{"text":"before"}"#).await;
    assert_eq!(calls.finish(1).await.texts(), ["before"]);
    let url = server.url();
    let new = Gateway::builder().upstream(upstream(&url)).authorizer(Tokens);
    timeout(LIMIT, gateway.inner.reload(new)).await.unwrap().unwrap();
    calls.start_with(2, "Unary", "{}").await;
    assert_eq!(calls.finish(2).await.end.code, Code::PermissionDenied);
}

#[tokio::test]
async fn a_tunnel_has_no_more_calls_than_the_gateway() {
    let settings = |builder: sockeye_gateway::Builder| builder.tunnel_path("/tunnel").max_calls(1);
    let (server, gateway) = serve(settings).await;
    let channel = sockeye_grpc::Endpoint::new(client(&gateway, "/tunnel")).connect().await.unwrap();
    let mut tunnel = sockeye_gateway_testing::proto::echo_client::EchoClient::new(channel);
    let stalled = tunnel.stall(message("")).await.unwrap();
    wait_for(server.echo.in_progress(), 1).await;
    let status = tunnel.unary(message("x")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    drop(stalled);
    gateway.idle().await;
    assert!(tunnel.unary(message("x")).await.is_ok());
}

#[tokio::test]
async fn a_socket_that_ends_within_the_requests_leaves_no_call() {
    let (_server, gateway) = serve(|builder| builder).await;
    for orderly in [true, false] {
        let grpc_web = client(&gateway, &format!("/{SERVICE}/Chat"));
        let mut grpc_web = connect(grpc_web.subprotocols(["grpc-websockets"])).await;
        grpc_web.send("x-a: 1\r\n".as_bytes()).await.unwrap();
        grpc_web.send(encode_data(&[0, 0, 0])).await.unwrap();
        let json = connect(client(&gateway, "/v1/chat?method=POST")).await;
        let mut calls = CallsClient::connect(&gateway).await;
        calls.start(1, crate::sockets::start("Chat")).await;
        while gateway.inner.calls_in_progress() < 3 {
            tokio::task::yield_now().await;
        }
        for mut socket in [grpc_web, json, calls.socket] {
            if orderly {
                socket.close(1000_u16, "").await.unwrap();
            }
        }
        gateway.idle().await;
    }
}
