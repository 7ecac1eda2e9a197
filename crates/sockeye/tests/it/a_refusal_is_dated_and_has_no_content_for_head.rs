//! Responses written without an HTTP library follow RFC 9110 sections 6.6.1 and 9.3.2.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use sockeye::upgrade::Upgrader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

async fn answer(request: &str) -> String {
    let (mut client, server) = duplex(4096);
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    Upgrader::new().accept(server).await.unwrap_err();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_refusal_is_dated() {
    let answer = answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let date = answer.split("\r\n").find_map(|line| line.strip_prefix("date: ")).unwrap();
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
}

#[tokio::test]
async fn a_head_request_is_answered_without_content() {
    let answer = answer("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("\r\nallow: GET\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}
