use std::convert::Infallible;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::Options;
use sockeye::{Client, ConnectError, Stage};
use tokio::io::{AsyncWriteExt, duplex};

use super::serving::{self, client, echo};

#[tokio::test]
async fn a_server_that_does_not_allow_websockets_is_named() {
    let (stream, server) = duplex(1000);
    let service = service_fn(|_: http::Request<Incoming>| async {
        Ok::<_, Infallible>(http::Response::new(String::new()))
    });
    let builder = http2::Builder::new(TokioExecutor::new());
    tokio::spawn(builder.serve_connection(TokioIo::new(server), service));
    let error = client().handshake_http2(stream).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoExtendedConnect), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_in_the_error() {
    let (http2, _server) = serving::connect(Options::new(), echo).await;
    let page = Client::new("ws://example.com/").header("Origin", "https://evil.test");
    match http2.open_as(&page).await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, body, .. }) => {
            assert_eq!(status, 403);
            assert!(body.starts_with(b"origin `https://evil.test` is not allowed"), "{body:?}");
        }
        other => panic!("{other:?}"),
    }
    // The connection stays open.
    let mut ws = http2.open("/").await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
}

#[tokio::test]
async fn a_server_that_speaks_something_else_fails_at_once() {
    let (stream, mut server) = duplex(1000);
    server.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let error = client().handshake_http2(stream).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_times_out() {
    let (stream, _server) = duplex(1000);
    let after = Duration::from_secs(3);
    let error = client().connect_timeout(after).handshake_http2(stream).await.unwrap_err();
    match error {
        ConnectError::TimedOut { stage: Stage::Http2, after: waited } => assert_eq!(waited, after),
        other => panic!("{other:?}"),
    }
}
