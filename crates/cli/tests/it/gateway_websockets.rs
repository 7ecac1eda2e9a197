//! WebSockets make calls through the gateway, count as connections, and end when it stops.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sockeye::{Client, WebSocket};
use tokio::io::AsyncReadExt as _;

use crate::program::{self, Server, any_issuer};

/// The path of a call with streams in both directions.
const RECOMMEND: &str = "/v1/books:recommend?method=POST";

/// Asks for a poem, of which the library has one.
async fn ask_for_a_poem(ws: &mut WebSocket) -> String {
    ws.send("{\"genre\":\"POETRY\"}").await.unwrap();
    ws.recv().await.unwrap().unwrap().as_text().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_carries_json_in_both_directions() {
    let server = Server::start_gateway(&["--demo"]);
    server.wait_for_status("/readyz", 200);
    let url = format!("ws://{}{RECOMMEND}", server.address);
    let mut ws = sockeye::connect(&url).await.unwrap();
    assert!(ask_for_a_poem(&mut ws).await.contains("Maps of Fog"));
    assert!(ask_for_a_poem(&mut ws).await.contains("no other book"));
    let evil = Client::new(url).header("Origin", "https://evil.example");
    assert!(evil.connect().await.unwrap_err().to_string().contains("403"));
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_of_one_http2_connection_count_as_connections() {
    let mut server = Server::start_gateway(&["--demo", "--self-signed", "--max-connections", "1"]);
    server.wait_for("sockeye.library.v1.Library: 8 methods");
    let client =
        Client::new(format!("wss://{}/", server.address)).tls(any_issuer::client_config().0);
    let http2 = client.connect_http2().await.unwrap();
    let mut first = http2.open(RECOMMEND).await.unwrap();
    assert!(ask_for_a_poem(&mut first).await.contains("Maps of Fog"));
    let refused = http2.open(RECOMMEND).await.unwrap_err().to_string();
    assert!(refused.contains("503"), "{refused}");
    drop(first);
    // The server notices the end of the first one some time later.
    let mut second = loop {
        match http2.open(RECOMMEND).await {
            Ok(second) => break second,
            Err(error) => assert!(error.to_string().contains("503"), "{error}"),
        }
    };
    assert!(ask_for_a_poem(&mut second).await.contains("Maps of Fog"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_keeps_its_http2_connection_open() {
    let flags = ["--demo", "--self-signed", "--handshake-timeout", "200ms"];
    let mut server = Server::start_gateway(&flags);
    server.wait_for("sockeye.library.v1.Library: 8 methods");
    let client =
        Client::new(format!("wss://{}/", server.address)).tls(any_issuer::client_config().0);
    let http2 = client.connect_http2().await.unwrap();
    let mut ws = http2.open(RECOMMEND).await.unwrap();
    assert!(ask_for_a_poem(&mut ws).await.contains("Maps of Fog"));
    // The server closes connections on which nothing is open after the timeout, one after another.
    for _ in 0..3 {
        let mut silent = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    }
    assert!(ask_for_a_poem(&mut ws).await.contains("no other book"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_without_calls_is_closed_when_the_gateway_stops() {
    let server = Server::start_gateway(&["--demo", "--shutdown-timeout", "1h"]);
    server.wait_for_status("/readyz", 200);
    let client = Client::new(format!("ws://{}/", server.address));
    let mut ws = client.subprotocols(["sockeye.grpc.v1"]).connect().await.unwrap();
    server.signal("TERM");
    while ws.recv().await.unwrap().is_some() {}
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_path_carries_http2_if_asked() {
    let server = Server::start_gateway(&["--demo", "--tunnel-path", "/grpc"]);
    program::upgrade_at(&mut server.dial(), &server.address, "/grpc");
    let plain = Server::start_gateway(&["--demo"]);
    plain.wait_for_status("/readyz", 200);
    assert!(plain.get("/grpc").starts_with("HTTP/1.1 404 "));
    let flags = ["gateway", "--demo", "--tunnel-path", "grpc"];
    assert!(program::error_output(&flags).contains("a path such as /grpc"));
}
