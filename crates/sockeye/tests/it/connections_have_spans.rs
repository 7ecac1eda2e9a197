//! Each log line of a connection names it: all of them are in one span, however the connection was
//! opened.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sockeye::push::{self, Callbacks};
use sockeye::upgrade::{self, Options, Upgrader};
use sockeye::{Client, CloseCode, Server, WebSocket, connect};
use tokio::io::{AsyncWriteExt, duplex};

use crate::log::Log;
use crate::peer;

fn assert_in_one_span(line: &str, fields: &[&str]) {
    assert_eq!(line.matches("websocket{").count(), 1, "{line}");
    for field in fields {
        assert!(line.contains(field), "{field}: {line}");
    }
}

#[tokio::test]
async fn of_a_bare_stream() {
    let log = Log::begin();
    let (mut client, server) = duplex(4096);
    let request = peer::request("/bare", "Sec-WebSocket-Protocol: chat\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let upgrader = Upgrader::new().options(Options::new().subprotocols(["chat"]));
    let _ws = upgrader.accept_from(server, ([127, 0, 0, 1], 7).into()).await.unwrap();
    let line = log.line("connection open", "/bare");
    assert_in_one_span(&line, &["peer=127.0.0.1:7", "path=\"/bare\"", "subprotocol=\"chat\""]);
}

#[tokio::test]
async fn of_a_server() {
    let log = Log::begin();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/served", server.local_addr().unwrap());
    tokio::spawn(server.serve(async |mut ws: WebSocket| {
        tracing::debug!("said by the handler");
        ws.recv().await.map(drop)
    }));
    let mut ws = connect(&url).await.unwrap();
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    for event in ["connection open", "said by the handler"] {
        assert_in_one_span(&log.line(event, "/served"), &["peer=127.0.0.1:", "path=\"/served\""]);
    }
}

#[tokio::test]
async fn of_a_hyper_request() {
    let log = Log::begin();
    let (client, server) = duplex(4096);
    let service = service_fn(|mut request| async move {
        let (response, upgrading) =
            upgrade::hyper::<_, String>(&mut request, &Options::new()).unwrap();
        tokio::spawn(async move { upgrading.await.unwrap().recv().await });
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    tokio::spawn(async move { connection.with_upgrades().await.unwrap() });
    let mut ws = Client::new("ws://example.com/hyper").handshake(client).await.unwrap();
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    let line = log.line("connection open", "/hyper");
    assert_in_one_span(&line, &["version=HTTP/1.1", "path=\"/hyper\""]);
}

#[tokio::test]
async fn of_a_handler_server() {
    let log = Log::begin();
    let callbacks = Callbacks::new().on_message(|connection, message| {
        tracing::debug!(length = message.as_bytes().len(), "a message for the handler");
        connection.send(message);
    });
    let listening = push::Server::new(move || callbacks.clone()).listen("127.0.0.1:0").unwrap();
    let (url, server_handle) =
        (format!("ws://{}/push", listening.local_addr().unwrap()), listening.handle());
    let server = std::thread::spawn(move || listening.run_until_stopped());
    let mut ws = connect(&url).await.unwrap();
    // One message in the worker's buffer, and one that is read directly into its final buffer.
    for length in [10, 300_000] {
        ws.send(vec![7; length]).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().len(), length);
        let line = log.line("a message for the handler", &format!("length={length}"));
        assert_in_one_span(&line, &["id="]);
    }
    drop(ws);
    server_handle.stop();
    server.join().unwrap().unwrap();
}
