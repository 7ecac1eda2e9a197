//! The client gets the status and the beginning of the body of a refusal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::peer;
use http::StatusCode;
use sockeye::Client;
use sockeye::handshake::HandshakeError;

const CLIENT: &str = "ws://example.com/chat";

async fn status_and_body(answer: String) -> (StatusCode, String, String) {
    let result = Client::new(CLIENT).handshake(peer::server(|_| answer)).await;
    let error = peer::handshake_error(result);
    let shown = error.to_string();
    match error {
        HandshakeError::Status { status, body, .. } => {
            (status, String::from_utf8(body.to_vec()).unwrap(), shown)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_upgrade_is_in_the_error() {
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nno such room\nmore";
    let (status, body, shown) = status_and_body(answer.to_owned()).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, "no such room\n"));
    assert_eq!(shown, "the server opened no WebSocket, but answered 404 Not Found: no such room");
}

#[tokio::test(start_paused = true)]
async fn only_the_first_kibibyte_of_a_long_answer_is_kept() {
    let answer = format!("HTTP/1.1 500 x\r\n\r\n{}", "y".repeat(100_000));
    let (status, body, _) = status_and_body(answer).await;
    assert_eq!((status, body), (StatusCode::INTERNAL_SERVER_ERROR, "y".repeat(1024)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_chunks_is_put_together() {
    let answer = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n\
                  4\r\nget \r\n3\r\nout\r\n0\r\n\r\n";
    let (status, body, _) = status_and_body(answer.to_owned()).await;
    assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, "get out"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_unknown_length_that_stays_open_does_not_hold_the_error_back() {
    let answer = "HTTP/1.1 200 OK\r\n\r\nhello";
    let (status, body, _) = status_and_body(answer.to_owned()).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "hello"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_have_content_is_not_waited_on() {
    let start = tokio::time::Instant::now();
    for status in [204, 304] {
        let (received, body, _) = status_and_body(format!("HTTP/1.1 {status} x\r\n\r\n")).await;
        assert_eq!((received.as_u16(), body.as_str()), (status, ""));
    }
    // Time is paused and advances only when all tasks wait.
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
}
