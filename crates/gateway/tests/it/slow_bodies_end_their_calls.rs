use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway_testing::Server;
use tokio::time::timeout;

use crate::support::{LIMIT, Pieces, ServedGateway, next_data, upstream, wait_for};

const RPC: &str = "/sockeye.gateway.testing.Echo";

async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let gateway = Gateway::builder()
        .upstream(upstream(&server.url()))
        .body_timeout(Duration::from_millis(100));
    let gateway = ServedGateway::start(gateway.build()).await;
    (server, gateway)
}

fn endless(content_type: &str, path: &str, begin: &'static [u8]) -> Request<Pieces> {
    let request = Request::post(path).header("content-type", content_type);
    request.body(Pieces::new([Bytes::from_static(begin)]).endless()).unwrap()
}

#[tokio::test]
async fn a_request_of_one_message_must_arrive_in_time() {
    let (server, gateway) = serve().await;
    let fetched = gateway.fetch(endless("application/json", "/v1/echo", b"{\"te")).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (504, &json!(4)));
    let unary = format!("{RPC}/Unary");
    let fetched = gateway.fetch(endless("application/proto", &unary, b"\x0a")).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (504, &json!("deadline_exceeded")));
    // In a dialect whose messages pass unread.
    let fetched = gateway.fetch(endless("application/grpc-web", &unary, b"\0\0\0\0\x09")).await;
    assert_eq!(fetched.headers["grpc-status"], "4", "{fetched:?}");
    gateway.idle().await;
    assert_eq!(server.echo.calls(), 0);
}

#[tokio::test]
async fn a_stream_of_requests_may_pause() {
    let (_server, gateway) = serve().await;
    // The client's stream stays open for longer than the limit of other requests.
    let request = endless("application/json", "/v1/collect", b"{\"text\":\"a\"}");
    let waiting = timeout(Duration::from_millis(400), gateway.send(request)).await;
    assert!(waiting.is_err(), "the call goes on: {waiting:?}");
    gateway.idle().await;
}

#[tokio::test]
async fn a_response_may_take_longer_than_its_request() {
    let (server, gateway) = serve().await;
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    let more = timeout(Duration::from_millis(300), next_data(response.body_mut())).await;
    assert!(more.is_err(), "the stream stays open");
    drop(response);
    wait_for(server.echo.in_progress(), 0).await;
}
