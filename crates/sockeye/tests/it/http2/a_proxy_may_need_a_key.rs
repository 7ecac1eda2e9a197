//! A proxy that translates to HTTP/1.1 may need a `Sec-WebSocket-Key`, or duplicate a key that is
//! there: the client sends no key, and repeats the request with a key when it is refused with 400.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::{self, Options};
use sockeye::{ConnectError, Http2};
use tokio::io::duplex;

use super::serving::{client, echo};

/// Connects to a server that upgrades the requests whose key `takes` accepts; returns the keys of
/// all requests as well.
async fn connect(takes: fn(Option<&str>) -> bool) -> (Http2, Arc<Mutex<Vec<Option<String>>>>) {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = keys.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let key = request.headers().get("sec-websocket-key").map(|key| key.to_str().unwrap());
        let accepted = takes(key);
        seen.lock().unwrap().push(key.map(ToOwned::to_owned));
        let answer = if accepted {
            let (response, upgrading) = upgrade::hyper(&mut request, &Options::new()).unwrap();
            tokio::spawn(async move { echo(upgrading.await.unwrap(), String::new()).await });
            response
        } else {
            let mut response = Response::new("refused".to_owned());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    let (stream, server) = duplex(16 * 1024);
    let connection = http2::Builder::new(TokioExecutor::new())
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection);
    (client().handshake_http2(stream).await.unwrap(), keys)
}

#[tokio::test]
async fn one_that_needs_it_gets_it() {
    let (http2, keys) = connect(|key| key.is_some()).await;
    let mut ws = http2.open("/").await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    let keys = keys.lock().unwrap();
    assert_eq!(keys[0], None);
    assert_eq!(keys[1].as_ref().unwrap().len(), 24, "16 bytes in base64");
    assert_eq!(keys.len(), 2);
}

#[tokio::test]
async fn one_that_adds_its_own_gets_none() {
    let (http2, keys) = connect(|key| key.is_none()).await;
    http2.open("/").await.unwrap();
    assert_eq!(*keys.lock().unwrap(), [None]);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_reported_after_the_second_request() {
    let (http2, keys) = connect(|_| false).await;
    match http2.open("/").await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, body, .. }) => {
            assert_eq!((status, &body[..]), (StatusCode::BAD_REQUEST, &b"refused"[..]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(keys.lock().unwrap().len(), 2);
}
