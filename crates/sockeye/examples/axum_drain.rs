//! An axum application that shuts down gracefully on Ctrl-C, including its WebSockets, which
//! outlive `axum::serve`.
//!
//!     cargo run -p sockeye --features axum --example axum_drain

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use sockeye::axum::WebSocketUpgrade;
use sockeye::upgrade::HostPolicy;
use sockeye::{Drain, Shutdown};

async fn echo(upgrade: WebSocketUpgrade, State(drain): State<Drain>) -> Response {
    upgrade.allow_hosts(HostPolicy::loopback()).drain(&drain).on_upgrade(async |mut ws| {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<_, sockeye::Error>(())
    })
}

async fn told_to_stop() {
    let _ = tokio::signal::ctrl_c().await;
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let drain = Drain::new();
    let app = Router::new().route("/echo", any(echo)).with_state(drain.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("ws://{}/echo", listener.local_addr()?);
    let serve = axum::serve(listener, app).with_graceful_shutdown(told_to_stop());
    let finish = async {
        told_to_stop().await;
        drain.finish(Shutdown::restart()).await
    };
    let (served, drained) = tokio::join!(serve, finish);
    println!("{drained}");
    served
}
