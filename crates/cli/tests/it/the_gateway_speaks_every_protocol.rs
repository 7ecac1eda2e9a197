//! One port, with TLS or without, takes gRPC, gRPC-Web, Connect and JSON.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};

use bytes::{Buf, Bytes};
use http::Request;
use rustls::pki_types::ServerName;
use sockeye_gateway_testing::Server as Upstream;

use crate::program::{Server, any_issuer};

/// The message `text: "hi"` with its length prefix.
const MESSAGE: [u8; 9] = [0, 0, 0, 0, 4, 0x0a, 2, b'h', b'i'];
const UNARY: &str = "/sockeye.gateway.testing.Echo/Unary";

async fn start(arguments: &[&str]) -> (Upstream, Server) {
    let upstream = Upstream::start().await;
    let url = upstream.url();
    let arguments = [&["--upstream", &url], arguments].concat();
    let server = Server::start_gateway(&arguments);
    (upstream, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_connect_come_over_http1() {
    let (_upstream, server) = start(&[]).await;
    let answer = server.wait_for_status("/v1/echo/hi?number=7", 200);
    assert!(answer.contains("\"number\":\"7\""), "{answer}");
    let answer = server.post_json(UNARY, "{\"text\":\"hi\"}");
    assert!(answer.contains("\"text\":\"hi\""), "{answer}");
    let answer = server.post(
        UNARY,
        "content-type: application/json\r\nconnect-protocol-version: 1\r\n",
        "{\"text\":\"hi\"}",
    );
    assert!(answer.ends_with("{\"text\":\"hi\"}"), "{answer}");
    assert!(server.get("/nothing").starts_with("HTTP/1.1 404 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_comes_over_http2_without_tls() {
    let (_upstream, server) = start(&[]).await;
    server.wait_for_status("/readyz", 200);
    let stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let uri = format!("http://{}{UNARY}", server.address);
    let request =
        Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    let (response, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(&MESSAGE), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut answer = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.remaining()).unwrap();
        answer.extend_from_slice(&data);
    }
    assert_eq!(answer, MESSAGE);
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_learns_whether_the_connection_has_tls() {
    let metadata = |scheme: &str| format!("\"x-forwarded-proto\",\"value\":\"{scheme}\"");
    let (_upstream, server) = start(&[]).await;
    let answer = server.wait_for_status("/v1/metadata", 200);
    assert!(answer.contains(&metadata("http")), "{answer}");

    let (_upstream, server) = start(&["--self-signed"]).await;
    let (config, _) = any_issuer::client_config();
    let get = |path: &str| {
        let name = ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(config.clone(), name).unwrap();
        let mut stream = rustls::StreamOwned::new(session, server.dial());
        let host = &server.address;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    while !get("/readyz").starts_with("HTTP/1.1 200 ") {
        tokio::task::yield_now().await;
    }
    let answer = get("/v1/metadata");
    assert!(answer.contains(&metadata("https")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_of_http2_in_pieces_is_waited_for() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (_upstream, server) = start(&[]).await;
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in [&b"P"[..], b"R", b"I * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0, 0, 0, 4, 0, 0, 0, 0, 0]]
    {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The server begins with its settings: a frame of type 4.
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted() {
    let (_upstream, server) = start(&["--metrics"]).await;
    server.wait_for_status("/v1/echo/hi", 200);
    let line = "sockeye_gateway_calls_total{dialect=\"json\",\
                method=\"/sockeye.gateway.testing.Echo/Unary\",code=\"OK\"} 1";
    loop {
        let metrics = server.get("/metrics");
        if metrics.lines().any(|found| found == line) {
            break;
        }
        std::thread::yield_now();
    }
}
