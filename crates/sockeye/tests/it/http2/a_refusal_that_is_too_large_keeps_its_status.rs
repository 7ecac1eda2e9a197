use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use sockeye::handshake::HandshakeError;
use sockeye::{ConnectError, Http2};
use tokio::io::duplex;

use super::serving;

/// Returns a client of a server that answers every request with a status and many headers.
async fn answering(status: u16, headers: HeaderMap) -> Http2 {
    let (client, server) = duplex(1000);
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.enable_connect_protocol();
        let mut connection = builder.handshake::<_, Bytes>(server).await.unwrap();
        while let Some(Ok((_, mut answer))) = connection.accept().await {
            let mut head = Response::builder().status(status).body(()).unwrap();
            *head.headers_mut() = headers.clone();
            answer.send_response(head, true).unwrap();
        }
    });
    serving::client().handshake_http2(client).await.unwrap()
}

fn headers(number: usize, length: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("7"));
    for _ in 0..number {
        headers.append("x", HeaderValue::try_from("y".repeat(length)).unwrap());
    }
    headers
}

#[tokio::test]
async fn a_refusal_with_too_long_or_too_many_headers_is_still_the_refusal() {
    for large in [headers(1, 20_000), headers(40, 1000), headers(200, 10)] {
        let http2 = answering(503, large).await;
        let error = http2.open("/").await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        match error {
            ConnectError::Handshake(HandshakeError::Status { status, headers, .. }) => {
                assert_eq!(status, 503);
                assert!(headers.len() <= 100, "{}", headers.len());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let http2 = answering(200, headers(1, 20_000)).await;
    let error = http2.open("/").await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Handshake(HandshakeError::HeadTooLarge { limit: 16_384 })),
        "{error:?}"
    );
}
