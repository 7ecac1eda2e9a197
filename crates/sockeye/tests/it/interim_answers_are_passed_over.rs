//! Interim responses, which any server or proxy may send before the final one, are skipped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::peer;
use http::StatusCode;
use sockeye::Client;
use sockeye::handshake::{HandshakeError, HeadLimits};

const CLIENT: &str = "ws://example.com/chat";

const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n\
    HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n";

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let stream = peer::server(|key| {
        format!(
            "{INTERIM}HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            key.accept()
        )
    });
    Client::new(CLIENT).handshake(stream).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_interim_response_is_in_the_error() {
    let answer = format!("{INTERIM}HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let result = Client::new(CLIENT).handshake(peer::server(|_| answer)).await;
    let mut headers = Box::<http::HeaderMap>::default();
    headers.append("content-length", "2".parse().unwrap());
    let body = "no".as_bytes().into();
    let expected = HandshakeError::Status { status: StatusCode::FORBIDDEN, headers, body };
    assert_eq!(peer::handshake_error(result), expected);
}

#[tokio::test]
async fn each_interim_answer_has_the_limit_of_a_head() {
    let client = Client::new(CLIENT).head_limits(HeadLimits::new().size(20));
    let result = client.handshake(peer::server(|_| INTERIM)).await;
    assert_eq!(peer::handshake_error(result), HandshakeError::HeadTooLarge { limit: 20 });
}

#[tokio::test(start_paused = true)]
async fn interim_answers_without_end_run_into_the_deadline() {
    let result = Client::new(CLIENT).handshake(peer::server(|_| INTERIM.repeat(1000))).await;
    let error = result.unwrap_err();
    assert!(matches!(error, sockeye::ConnectError::TimedOut { .. }), "{error:?}");
}
