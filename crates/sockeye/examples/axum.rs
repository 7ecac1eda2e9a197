//! A WebSocket route in an axum application.
//!
//!     cargo run -p sockeye --features axum --example axum

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use sockeye::axum::WebSocketUpgrade;
use sockeye::upgrade::HostPolicy;
use sockeye::{Deflate, WebSocket};

#[derive(Clone)]
struct App {
    greeting: &'static str,
}

impl App {
    async fn chat(self, mut ws: WebSocket) -> sockeye::Result<()> {
        ws.send(self.greeting).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(format!("you said: {message}")).await?;
        }
        Ok(())
    }
}

async fn chat(upgrade: WebSocketUpgrade, State(app): State<App>) -> Response {
    upgrade
        .allow_hosts(HostPolicy::loopback())
        .subprotocols(["chat.v2"])
        .deflate(Deflate::default())
        .on_upgrade(async move |ws| {
            if let Err(error) = app.chat(ws).await {
                eprintln!("chat ended: {error}");
            }
        })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new().route("/chat", any(chat)).with_state(App { greeting: "welcome" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("ws://{}/chat", listener.local_addr()?);
    axum::serve(listener, app).await
}
