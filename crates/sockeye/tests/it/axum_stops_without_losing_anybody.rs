//! WebSockets of an axum application: each gets a close frame when the application stops, over both
//! HTTP versions, and has data of the application.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use sockeye::axum::WebSocketUpgrade;
use sockeye::handshake::HandshakeError;
use sockeye::{Client, CloseCode, ConnectError, Drain, Shutdown, WebSocket};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Number of clients of each HTTP version.
const CLIENTS: usize = 5;

#[derive(Clone)]
struct User(String);

#[derive(Clone, Default)]
struct App {
    drain: Drain,
    alive: Arc<AtomicUsize>,
}

async fn greet(upgrade: WebSocketUpgrade, State(app): State<App>) -> Response {
    let Some(user) = upgrade.headers().get("x-user").and_then(|user| user.to_str().ok()) else {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    };
    let user = User(user.to_owned());
    upgrade.data(user).drain(&app.drain).on_upgrade(async move |mut ws| {
        app.alive.fetch_add(1, Ordering::SeqCst);
        let result = echo(&mut ws).await;
        app.alive.fetch_sub(1, Ordering::SeqCst);
        result
    })
}

async fn echo(ws: &mut WebSocket) -> sockeye::Result<()> {
    let name = ws.data::<User>().unwrap().0.clone();
    ws.send(name).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

struct Running {
    app: App,
    client: Client,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn serve() -> Running {
    let app = App::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let router = Router::new().route("/ws", any(greet)).with_state(app.clone());
    let (stop, mut stopped) = watch::channel(false);
    let shutdown = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let server = tokio::spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(shutdown).await
    });
    let client = Client::new(format!("ws://{address}/ws"));
    Running { app, client, stop, server }
}

#[tokio::test]
async fn every_connection_is_notified_over_either_version_of_http() {
    let Running { app, client, stop, server } = serve().await;
    let client = client.header("x-user", "Ada");
    let http2 = client.connect_http2().await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(client.connect().await.unwrap());
        clients.push(http2.open("/ws").await.unwrap());
    }
    for ws in &mut clients {
        assert_eq!(ws.recv().await.unwrap(), Some("Ada".into()));
    }
    assert_eq!(app.drain.connections(), 2 * CLIENTS);
    stop.send(true).unwrap();
    let drain = app.drain.clone();
    let finish = tokio::spawn(async move { drain.finish(Shutdown::restart()).await });
    for ws in &mut clients {
        assert_eq!(ws.recv().await.unwrap(), None);
        let frame = ws.close_frame().unwrap();
        assert_eq!(frame.code, CloseCode::SERVICE_RESTART);
        assert!(Shutdown::retry_hint(frame).is_some(), "{frame}");
    }
    let drained = finish.await.unwrap();
    assert_eq!((drained.closed, drained.dropped, drained.left), (2 * CLIENTS, 0, 0));
    assert_eq!((app.drain.connections(), app.alive.load(Ordering::SeqCst)), (0, 0));
    drop((clients, http2));
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_comes_too_late_is_answered_503() {
    let Running { app, client, stop: _stop, .. } = serve().await;
    app.drain.finish(Shutdown::new()).await;
    match client.header("x-user", "Ada").connect().await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, body, headers }) => {
            assert_eq!(
                (status, &body[..]),
                (StatusCode::SERVICE_UNAVAILABLE, &b"the server is stopping\n"[..])
            );
            let retry: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=10).contains(&retry), "{retry}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_applications_own_handler_refuses_before_the_upgrade() {
    let Running { client, stop: _stop, .. } = serve().await;
    match client.connect().await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, body, .. }) => {
            assert_eq!((status, &body[..]), (StatusCode::UNAUTHORIZED, &b"who are you?"[..]));
        }
        other => panic!("{other:?}"),
    }
}
