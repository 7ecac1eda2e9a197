//! Shuts down gracefully on Ctrl-C: every client is asked to come back after its own random delay,
//! and no connection is left open. One address may have 20 connections.
//!
//!     cargo run -p sockeye --example graceful

use std::time::Duration;

use sockeye::upgrade::HostPolicy;
use sockeye::{Server, Shutdown, WebSocket};

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    // `recv` returned `None` because the client closed, or because this server stops.
    Ok(())
}

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let server = Server::bind("127.0.0.1:8080").await?.allow_hosts(HostPolicy::loopback());
    println!("ws://{}/", server.local_addr()?);
    let shutdown = Shutdown::restart()
        .timeout(Duration::from_secs(20))
        .retry_after(Duration::from_secs(1)..=Duration::from_secs(15));
    let drained = server
        .max_connections_per_address(20)
        .shutdown(shutdown)
        .serve_with_shutdown(echo, async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    println!("{drained}");
    Ok(())
}
