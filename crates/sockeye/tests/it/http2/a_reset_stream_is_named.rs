use std::io;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::{Method, Request, Response};
use sockeye::upgrade::Options;
use sockeye::{Error, WebSocket};
use tokio::io::duplex;
use tokio::sync::mpsc;

use super::serving;

/// Returns a client WebSocket, and the sending half of its stream in a server that knows nothing of
/// WebSockets.
async fn of_a_bare_server() -> (WebSocket, SendStream<Bytes>) {
    let (client, server) = duplex(1000);
    let (streams, mut opened) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.enable_connect_protocol();
        let mut connection = builder.handshake::<_, Bytes>(server).await.unwrap();
        while let Some(Ok((_, mut answer))) = connection.accept().await {
            streams.send(answer.send_response(Response::new(()), false).unwrap()).unwrap();
        }
    });
    let http2 = serving::client().handshake_http2(client).await.unwrap();
    let ws = http2.open("/").await.unwrap();
    (ws, opened.recv().await.unwrap())
}

/// Returns the reset reason of the error of a stream.
fn reset(error: Error) -> String {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            // The kind is set by this library, and the inner error is h2's.
            let inner = error.get_ref().unwrap();
            inner.source().map_or_else(|| inner.to_string(), |source| format!("{inner}: {source}"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_gets_an_error_that_names_the_reset_of_the_server() {
    for (reason, words) in [
        (Reason::CANCEL, "stream no longer needed"),
        (Reason::INTERNAL_ERROR, "unexpected internal error"),
    ] {
        let (mut ws, mut stream) = of_a_bare_server().await;
        stream.send_reset(reason);
        let error = reset(ws.recv().await.unwrap_err());
        assert!(error.contains(words), "{error}");

        let (mut ws, mut stream) = of_a_bare_server().await;
        stream.send_reset(reason);
        let error = loop {
            if let Err(error) = ws.send(vec![0; 10_000]).await {
                break reset(error);
            }
            tokio::task::yield_now().await;
        };
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_a_close_frame_is_disconnected() {
    let (mut ws, mut stream) = of_a_bare_server().await;
    stream.send_data(Bytes::new(), true).unwrap();
    assert!(matches!(ws.recv().await, Err(Error::Disconnected)));
}

/// Returns the errors that a server's handler sees of a client that applies `what` to its stream.
async fn seen_by_a_server(what: impl FnOnce(&mut SendStream<Bytes>)) -> Vec<Error> {
    let (errors, mut seen) = mpsc::unbounded_channel();
    let handler = move |mut ws: WebSocket, _| {
        let errors = errors.clone();
        async move {
            errors.send(ws.recv().await.unwrap_err()).unwrap();
        }
    };
    let (stream, _server) = serving::serve(Options::new(), handler);
    let (sender, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut ping = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    ping.ping(h2::Ping::opaque()).await.unwrap();
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "http://example.com/".parse().unwrap();
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let mut sender = sender.ready().await.unwrap();
    let (answer, mut send) = sender.send_request(request, false).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    what(&mut send);
    let mut all = vec![seen.recv().await.unwrap()];
    drop(send);
    while let Ok(error) = seen.try_recv() {
        all.push(error);
    }
    all
}

#[tokio::test]
async fn a_server_gets_an_error_that_names_the_reset_of_the_client() {
    let mut seen = seen_by_a_server(|stream| stream.send_reset(Reason::INTERNAL_ERROR)).await;
    let error = reset(seen.pop().unwrap());
    assert!(error.contains("unexpected internal error"), "{error}");

    let mut seen = seen_by_a_server(|stream| stream.send_reset(Reason::CANCEL)).await;
    assert!(matches!(seen.pop(), Some(Error::Disconnected)));

    let mut seen = seen_by_a_server(|stream| stream.send_data(Bytes::new(), true).unwrap()).await;
    assert!(matches!(seen.pop(), Some(Error::Disconnected)));
}

#[tokio::test]
async fn a_websocket_that_is_dropped_is_disconnected() {
    let (errors, mut seen) = mpsc::unbounded_channel();
    let handler = move |mut ws: WebSocket, path: String| {
        let errors = errors.clone();
        async move {
            if path == "/drop" {
                return;
            }
            errors.send(ws.recv().await.unwrap_err()).unwrap();
        }
    };
    let (http2, server) = serving::connect(Options::new(), handler).await;
    drop(http2.open("/").await.unwrap());
    assert!(matches!(seen.recv().await, Some(Error::Disconnected)));
    let mut dropped = http2.open("/drop").await.unwrap();
    assert!(matches!(dropped.recv().await, Err(Error::Disconnected)));

    // The same holds for every WebSocket of a connection that ends without GOAWAY.
    let mut ws = http2.open("/").await.unwrap();
    server.abort();
    assert!(matches!(ws.recv().await, Err(Error::Disconnected)));
    http2.open("/").await.unwrap_err();
}
