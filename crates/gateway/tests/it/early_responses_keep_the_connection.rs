//! A response that ends before its request does leaves the connection of HTTP/1.1 open, and the
//! stream of HTTP/2.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use http::Request;
use sockeye_gateway_testing::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway};

/// Reads a response with a content length, and returns it.
async fn read_response(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_ascii_lowercase();
                let length = length.split("content-length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if body.len() >= length {
                    return text;
                }
            }
            let count = stream.read_buf(&mut read).await.unwrap();
            assert_ne!(count, 0, "the connection was closed after {text:?}");
        }
    };
    timeout(LIMIT, reading).await.unwrap()
}

#[tokio::test]
async fn the_rest_of_a_request_that_was_answered_is_read() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut stream = TcpStream::connect(gateway.url().trim_start_matches("http://")).await.unwrap();
    for _ in 0..3 {
        let begin = "POST /no.such.Service/Method HTTP/1.1\r\nhost: gateway.test\r\n\
                     content-type: application/connect+proto\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(begin.as_bytes()).await.unwrap();
        stream.write_all(b"5\r\n\0\0\0\0\0\r\n").await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 404"), "{response}");
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
    let last = "GET /v1/echo/last HTTP/1.1\r\nhost: gateway.test\r\n\r\n";
    stream.write_all(last.as_bytes()).await.unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.contains("last"), "{response}");
}

#[tokio::test]
async fn a_request_without_an_end_closes_the_connection() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut stream = TcpStream::connect(gateway.url().trim_start_matches("http://")).await.unwrap();
    let begin = "POST /no.such.Service/Method HTTP/1.1\r\nhost: gateway.test\r\n\
                 content-type: application/proto\r\ncontent-length: 100000000\r\n\r\nabc";
    stream.write_all(begin.as_bytes()).await.unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    let mut rest = Vec::new();
    let closed = timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{rest:?}");
}

#[tokio::test]
async fn a_stream_is_not_reset_after_an_early_response() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let stream = TcpStream::connect(gateway.url().trim_start_matches("http://")).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = |path: &str| {
        let request = Request::post(format!("http://gateway.test{path}"));
        request.header("content-type", "text/plain").body(()).unwrap()
    };
    let (response, mut body) = client.send_request(request("/v1/echo"), false).unwrap();
    assert_eq!(timeout(LIMIT, response).await.unwrap().unwrap().status(), 415);
    // The response to a later request comes after a reset, if there was one.
    for _ in 0..3 {
        let (response, _) = client.send_request(request("/no/such/path"), true).unwrap();
        assert_eq!(timeout(LIMIT, response).await.unwrap().unwrap().status(), 404);
    }
    let reset = poll_fn(|cx| Poll::Ready(body.poll_reset(cx))).await;
    assert!(reset.is_pending(), "{reset:?}");
    body.send_data(Bytes::from_static(b"{}"), true).unwrap();
}
