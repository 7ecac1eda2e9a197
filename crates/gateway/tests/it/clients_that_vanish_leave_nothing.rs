use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::Request;
use sockeye_gateway::dialect::framing::Envelope;
use sockeye_gateway_testing::Server;
use tokio::time::timeout;

use crate::support::{
    LIMIT, Pieces, ServedGateway, client, message, next_data, upstream, wait_for,
};

const RPC: &str = "/sockeye.gateway.testing.Echo";

fn framed(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    Envelope::encode(0, payload, &mut out).unwrap();
    out.freeze()
}

/// Returns requests for `Stall` in each dialect of HTTP/1.1: their responses begin, and do not end.
fn stalls() -> Vec<(&'static str, Request<Pieces>)> {
    let request = |content_type: &str, body: Bytes| {
        Request::post(format!("{RPC}/Stall"))
            .header("content-type", content_type)
            .header("accept", if content_type.contains("json") { "*/*" } else { content_type })
            .body(Pieces::new([body]))
            .unwrap()
    };
    let text = Bytes::from(STANDARD.encode(framed(b"\x0a\x01x")));
    let mut stalls = vec![
        ("JSON over HTTP", request("application/json", Bytes::from_static(b"{\"text\":\"x\"}"))),
        ("Connect in JSON", request("application/connect+json", framed(b"{\"text\":\"x\"}"))),
        ("Connect in protobuf", request("application/connect+proto", framed(b"\x0a\x01x"))),
        ("grpc-web", request("application/grpc-web", framed(b"\x0a\x01x"))),
        ("grpc-web in text", request("application/grpc-web-text", text)),
    ];
    let events = Request::get("/v1/stall?text=x").header("accept", "text/event-stream");
    let none: [Bytes; 0] = [];
    stalls.push(("events", events.body(Pieces::new(none)).unwrap()));
    stalls
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_response_ends_its_call() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    for (dialect, request) in stalls() {
        let mut response = gateway.send(request).await;
        let first = timeout(LIMIT, next_data(response.body_mut())).await.unwrap();
        assert!(first.is_some(), "{dialect}");
        assert_eq!(gateway.inner.calls_in_progress(), 1, "{dialect}");
        assert_eq!(*server.echo.in_progress().borrow(), 1, "{dialect}");
        drop(response);
        wait_for(server.echo.in_progress(), 0).await;
        gateway.idle().await;
    }
    let mut grpc = client(&upstream(&gateway.url()));
    let mut replies = grpc.stall(message("x")).await.unwrap().into_inner();
    replies.message().await.unwrap();
    drop(replies);
    wait_for(server.echo.in_progress(), 0).await;
    gateway.idle().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_response_ends_its_call() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let waits = |content_type: &str, body: Bytes| {
        Request::post(format!("{RPC}/Wait"))
            .header("content-type", content_type)
            .header("connect-protocol-version", "1")
            .body(Pieces::new([body]))
            .unwrap()
    };
    for request in [
        waits("application/json", Bytes::from_static(b"{\"number\":60000}")),
        waits("application/proto", Bytes::from_static(b"\x10\xe0\xd4\x03")),
        waits("application/grpc-web", framed(b"\x10\xe0\xd4\x03")),
    ] {
        let mut sending = Box::pin(gateway.send(request));
        let called = server.echo.in_progress();
        tokio::select! {
            _ = &mut sending => panic!("the call waits"),
            () = wait_for(called, 1) => {}
        }
        drop(sending);
        wait_for(server.echo.in_progress(), 0).await;
        gateway.idle().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_request_makes_no_call() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let unary = format!("{RPC}/Unary");
    for (content_type, path, begin) in [
        ("application/json", "/v1/echo", &b"{\"text\":"[..]),
        ("application/proto", &*unary, b"\x0a\x05ab"),
        ("application/grpc-web", &*unary, b"\0\0\0\0\x07\x0a\x05ab"),
    ] {
        let request = Request::post(path).header("content-type", content_type);
        let body = Pieces::new([Bytes::from_static(begin)]).endless();
        let mut sending = Box::pin(gateway.send(request.body(body).unwrap()));
        let begun = async {
            while gateway.inner.calls_in_progress() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut sending => panic!("the request is not whole"),
            () = begun => {}
        }
        drop(sending);
        gateway.idle().await;
    }
    assert_eq!(server.echo.calls(), 0);
}
