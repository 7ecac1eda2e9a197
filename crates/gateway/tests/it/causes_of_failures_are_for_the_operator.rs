use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway_testing::{DESCRIPTORS, Proxy, Server};
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway, client, message, next_data, upstream};

const UNREACHABLE: &str = "the upstream of sockeye.gateway.testing.Echo cannot be reached";

/// Checks what a client of each dialect is told of an upstream that cannot be reached.
async fn check_unreachable(gateway: &ServedGateway) {
    let fetched = gateway.post("/v1/echo", "{}").await;
    let expected = json!({"code": 14, "message": UNREACHABLE, "details": []});
    assert_eq!((fetched.status, fetched.json()), (503, expected));
    let unary = Request::post("/sockeye.gateway.testing.Echo/Unary");
    let web = unary.header("content-type", "application/grpc-web").body("\0\0\0\0\0".to_owned());
    let web = gateway.fetch(web.unwrap()).await;
    assert_eq!(web.headers["grpc-status"], "14", "{web:?}");
    assert_eq!(web.headers["grpc-message"], UNREACHABLE, "{web:?}");
    let status = client(&upstream(&gateway.url())).unary(message("")).await.unwrap_err();
    assert_eq!(status.message(), UNREACHABLE);
}

#[tokio::test]
async fn an_upstream_that_refuses_connections_is_only_named() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    server.shutdown().await;
    check_unreachable(&gateway).await;
}

#[tokio::test]
async fn an_upstream_without_an_address_is_only_named() {
    let files = FileSet::from_descriptor_set(DESCRIPTORS.to_vec().into()).unwrap();
    let source = Source::new(upstream("http://nothing.invalid:1"));
    let source = source.descriptors(Descriptors::Fixed(files));
    let gateway = ServedGateway::start(Gateway::builder().source(source).build()).await;
    check_unreachable(&gateway).await;
}

#[tokio::test]
async fn the_error_of_a_lost_connection_is_not_shown() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    proxy.cut();
    let line = timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
    let expected = json!({"code": 14, "message": "the connection was lost", "details": []});
    assert_eq!(line["error"], expected);
}
