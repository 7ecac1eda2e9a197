//! Turbo Streams from a server: a page that changes while it is open, without JavaScript of its
//! own.
//!
//!     npm install @hotwired/turbo
//!     cargo run -p sockeye --features axum --example turbo_streams -- \
//!         node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js
//!     curl --data-urlencode text=hello http://127.0.0.1:8080/messages

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Form, Router};
use serde::Deserialize;
use sockeye::axum::WebSocketUpgrade;
use sockeye::upgrade::HostPolicy;
use sockeye::{CloseCode, Prepared, WebSocket};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// The number of changes that a page may be behind.
const BACKLOG: usize = 256;

/// The longest text, in bytes.
const MAX_TEXT: usize = 1000;

#[derive(Clone)]
struct App {
    changes: broadcast::Sender<Prepared>,
    turbo: &'static str,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let turbo = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => String::new(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app(turbo)).await
}

pub(crate) fn app(turbo: String) -> Router {
    let app = App { changes: broadcast::Sender::new(BACKLOG), turbo: turbo.leak() };
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/turbo.js", get(script))
        .route("/changes", any(changes))
        .route("/messages", post(add_message))
        .with_state(app)
}

async fn script(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript")], app.turbo)
}

async fn changes(upgrade: WebSocketUpgrade, State(app): State<App>) -> Response {
    let changes = app.changes.subscribe();
    upgrade.allow_hosts(HostPolicy::loopback()).on_upgrade(async |ws| {
        if let Err(error) = send_changes(ws, changes).await {
            eprintln!("a page left: {error}");
        }
    })
}

/// Sends each change to a page until it leaves.
async fn send_changes(
    mut ws: WebSocket,
    mut changes: broadcast::Receiver<Prepared>,
) -> sockeye::Result<()> {
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(change) => ws.send_prepared(&change).await?,
                // The page reconnects, and reads the messages anew.
                Err(RecvError::Lagged(_)) => ws.close(CloseCode::TRY_AGAIN_LATER, "too slow").await?,
                Err(RecvError::Closed) => ws.close(CloseCode::GOING_AWAY, "").await?,
            },
            message = ws.recv() => if message?.is_none() {
                return Ok(());
            },
        }
    }
}

#[derive(Deserialize)]
struct NewMessage {
    text: String,
}

async fn add_message(
    State(app): State<App>,
    Form(NewMessage { text }): Form<NewMessage>,
) -> StatusCode {
    if text.len() > MAX_TEXT {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let change = format!(
        r#"<turbo-stream action="append" target="messages"><template><li>{}</li></template></turbo-stream>"#,
        escape_html(&text)
    );
    // Without a page there is no receiver.
    let _ = app.changes.send(Prepared::new(change));
    StatusCode::NO_CONTENT
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Turbo Streams</title>
<script type="module" src="/turbo.js"></script>
<h1>Messages</h1>
<ul id="messages"></ul>
<form action="/messages" method="post"><input name="text" required> <button>Send</button></form>
<turbo-stream-source src="ws://127.0.0.1:8080/changes"></turbo-stream-source>
"#;
