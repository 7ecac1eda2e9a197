//! Messages that nobody receives make their sender wait, whatever their size, and leave the
//! connection and its other WebSockets alone, even if the peer is hyper or h2 with default
//! settings: since 0.4.16, h2 ends a connection on which too many short DATA frames are unread
//! (`too_many_data_frames`).
//!
//! Time is paused: it advances when all tasks wait.

use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use sockeye::axum::WebSocketUpgrade;
use sockeye::upgrade::Options;
use sockeye::{Http2, WebSocket};
use tokio::io::duplex;
use tokio::time::timeout;

use super::serving;

/// Shorter than any timeout of the connections.
const A_WHILE: Duration = Duration::from_secs(5);

/// Sends up to `most` messages of `length` bytes; returns whether one had to wait.
async fn fill(ws: &mut WebSocket, length: usize, most: usize) -> bool {
    for _ in 0..most {
        match timeout(A_WHILE, ws.send(vec![7; length])).await {
            Ok(result) => result.unwrap(),
            Err(_) => return true,
        }
    }
    false
}

async fn assert_echo(ws: &mut WebSocket) {
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut ws| {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<_, sockeye::Error>(())
    })
}

async fn ignore(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |ws| {
        std::future::pending::<()>().await;
        drop(ws);
        Ok::<_, sockeye::Error>(())
    })
}

/// Returns a client of a server with the settings of `axum::serve`: those of hyper.
async fn of_axum() -> Http2 {
    let (client, server) = duplex(64 * 1024);
    let router = Router::new().route("/echo", any(echo)).route("/ignore", any(ignore));
    let service = TowerToHyperService::new(router);
    tokio::spawn(async move {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().enable_connect_protocol();
        builder.serve_connection_with_upgrades(TokioIo::new(server), service).await
    });
    serving::client().handshake_http2(client).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_receive_makes_the_client_wait() {
    for length in [0, 1, 20, 125, 126, 246, 247, 248, 255, 1000, 16_370, 16_390] {
        let http2 = of_axum().await;
        let mut unread = http2.open("/ignore").await.unwrap();
        assert!(fill(&mut unread, length, 10_000).await, "of {length} bytes all are taken");
        // With hyper's settings the window of the connection is exhausted as well. Opening another
        // WebSocket does not need it.
        http2.open("/echo").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_do_not_receive_leave_the_others_alone() {
    for length in [0, 1, 20, 247] {
        let http2 = of_axum().await;
        let mut other = http2.open("/echo").await.unwrap();
        let mut unread = Vec::new();
        for _ in 0..3 {
            let mut ws = http2.open("/ignore").await.unwrap();
            assert!(!fill(&mut ws, length, 1_000).await);
            unread.push(ws);
        }
        assert_echo(&mut other).await;
    }
}

/// Opens a WebSocket, and reads nothing that arrives on it.
async fn open(sender: &SendRequest<Bytes>) -> (h2::SendStream<Bytes>, h2::RecvStream) {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "http://example.com/".parse().unwrap();
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let mut sender = sender.clone().ready().await.unwrap();
    let (answer, send) = sender.send_request(request, false).unwrap();
    (send, answer.await.unwrap().into_body())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_receive_makes_the_server_wait() {
    for length in [0, 1, 20, 251, 252, 255, 1000] {
        let (waits, mut waited) = tokio::sync::mpsc::unbounded_channel();
        let handler = move |mut ws: WebSocket, _| {
            let waits = waits.clone();
            async move {
                waits.send(fill(&mut ws, length, 10_000).await).unwrap();
                std::future::pending::<()>().await;
            }
        };
        let (stream, _server) = serving::serve(Options::new(), handler);
        // With the settings of h2.
        let (sender, mut connection) = h2::client::handshake(stream).await.unwrap();
        let mut ping = connection.ping_pong().unwrap();
        tokio::spawn(connection);
        ping.ping(h2::Ping::opaque()).await.unwrap();
        let mut unread = Vec::new();
        for _ in 0..5 {
            unread.push(open(&sender).await);
            assert!(waited.recv().await.unwrap(), "of {length} bytes all are taken");
        }
        drop(open(&sender).await);
    }
}
