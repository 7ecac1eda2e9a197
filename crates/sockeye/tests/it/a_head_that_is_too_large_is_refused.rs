//! Heads with too many bytes or headers are refused, in both roles.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::peer;
use sockeye::handshake::{HandshakeError, HeadLimits};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, ConnectError, UpgradeError};
use tokio::io::{AsyncWriteExt, duplex};

/// Returns the server's response to a request, and its error.
async fn refused(request: String, options: Options) -> (String, HandshakeError) {
    let (stream, mut client) = duplex(256);
    let server = tokio::spawn(async move { Upgrader::new().options(options).accept(stream).await });
    let (mut reading, mut writing) = tokio::io::split(client);
    let sending = tokio::spawn(async move {
        let _ = writing.write_all(request.as_bytes()).await;
        writing
    });
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer).await.unwrap();
    client = reading.unsplit(sending.await.unwrap());
    drop(client);
    let error = match server.await.unwrap().unwrap_err() {
        UpgradeError::Handshake(error) => error,
        other => panic!("{other:?}"),
    };
    (String::from_utf8(answer).unwrap(), error)
}

#[tokio::test(start_paused = true)]
async fn a_request_over_16_kib_is_refused() {
    let request = peer::request("/", &format!("Cookie: {}\r\n", "a".repeat(16 * 1024)));
    let (answer, error) = refused(request, Options::new()).await;
    assert_eq!(error, HandshakeError::HeadTooLarge { limit: 16 * 1024 });
    assert_eq!(error.to_string(), "the HTTP head is over the limit of 16384 bytes");
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    assert!(answer.ends_with("the HTTP head is over the limit of 16384 bytes\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_of_over_100_headers_is_refused() {
    let request = peer::request("/", &"X: y\r\n".repeat(96));
    let (answer, error) = refused(request, Options::new()).await;
    assert_eq!(error, HandshakeError::TooManyHeaders { limit: 100 });
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_limits_can_be_set() {
    let limits = HeadLimits::new().size(100).headers(2);
    let (_, error) = refused(peer::request("/", ""), Options::new().head_limits(limits)).await;
    assert_eq!(error, HandshakeError::HeadTooLarge { limit: 100 });
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let many = peer::server(|_| format!("HTTP/1.1 101 x\r\n{}\r\n", "X: y\r\n".repeat(101)));
    let result = Client::new("ws://example.com/").handshake(many).await;
    assert_eq!(peer::handshake_error(result), HandshakeError::TooManyHeaders { limit: 100 });

    let long = peer::server(|_| format!("HTTP/1.1 101 x\r\nX: {}", "y".repeat(20_000)));
    let result = Client::new("ws://example.com/").handshake(long).await;
    assert_eq!(peer::handshake_error(result), HandshakeError::HeadTooLarge { limit: 16 * 1024 });
}

#[tokio::test]
async fn a_refusal_that_is_too_large_keeps_its_status() {
    let client = Client::new("ws://example.com/");
    let start = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n";
    let many = peer::server(move |_| format!("{start}{}\r\n", "X: y\r\n".repeat(200)));
    let long = peer::server(move |_| format!("{start}X: {}", "y".repeat(20_000)));
    for answer in [many, long] {
        let error = client.handshake(answer).await.unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
        let ConnectError::Handshake(HandshakeError::Status { status, headers, .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(status, 503);
        assert!(headers.len() <= 100, "{}", headers.len());
    }
}
