use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::{Value, json};
use sockeye_gateway_testing::Server;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{LIMIT, Pieces, ServedGateway};

/// Sends a request over HTTP/2 with these frames of data, and trailers if it has them.
async fn send(gateway: &ServedGateway, frames: &[&[u8]], trailers: Option<HeaderMap>) -> Value {
    let address: SocketAddr = gateway.url().strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("{}/v1/echo", gateway.url()));
    let request = request.header("content-type", "application/json").body(()).unwrap();
    poll_fn(|cx| sender.poll_ready(cx)).await.unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    for (index, frame) in frames.iter().enumerate() {
        let is_last = index + 1 == frames.len() && trailers.is_none();
        body.send_data(Bytes::copy_from_slice(frame), is_last).unwrap();
    }
    if let Some(trailers) = trailers {
        body.send_trailers(trailers).unwrap();
    }
    let mut body = timeout(LIMIT, response).await.unwrap().unwrap().into_body();
    let mut json = Vec::new();
    while let Some(data) = timeout(LIMIT, body.data()).await.unwrap() {
        json.extend_from_slice(&data.unwrap());
    }
    serde_json::from_slice(&json).unwrap()
}

#[tokio::test]
async fn empty_frames_of_data_are_no_part_of_the_body() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let sent = send(&gateway, &[b"", b"{\"text\":", b"", b"\"x\"}", b""], None).await;
    assert_eq!(sent["text"], "x");
    assert_eq!(send(&gateway, &[b""], None).await["text"], "");
}

#[tokio::test]
async fn trailers_of_a_request_are_ignored() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let sent = send(&gateway, &[b"{\"text\":\"x\"}"], Some(trailers)).await;
    assert_eq!(sent["text"], "x");
}

#[tokio::test]
async fn chunks_without_bytes_are_an_empty_body() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let none: [Bytes; 0] = [];
    let request = Request::post("/v1/echo").header("content-type", "application/json");
    let fetched = gateway.fetch(request.body(Pieces::new(none.clone())).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!("")));
    let request = Request::post("/sockeye.gateway.testing.Echo/Unary")
        .header("content-type", "application/proto")
        .header("content-encoding", "gzip");
    let fetched = gateway.fetch(request.body(Pieces::new(none)).unwrap()).await;
    assert_eq!((fetched.status, fetched.body.len()), (200, 0));
}
