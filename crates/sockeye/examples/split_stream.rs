//! Sends a gibibyte to every client, in one message of many fragments and in little memory, while a
//! clock ticks on the same connection: ticks wait behind the message, and the latest follows it;
//! pings pass.
//!
//!     cargo run --release -p sockeye --example split_stream -- 127.0.0.1:8080

use std::time::Duration;

use sockeye::split::Sender;
use sockeye::upgrade::HostPolicy;
use sockeye::{Kind, Server, WebSocket};
use tokio::io::{AsyncReadExt, copy, repeat};
use tokio::time::interval;

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let server = Server::bind(&address).await?;
    server.allow_hosts(HostPolicy::loopback().allow_addresses()).serve(talk).await
}

async fn talk(ws: WebSocket) -> sockeye::Result<()> {
    let (sender, mut receiver) = ws.split();
    let clock = tokio::spawn(tick(sender.clone()));
    let sending = tokio::spawn(send(sender));
    // Receiving answers pings and detects the end.
    while receiver.recv().await?.is_some() {}
    clock.abort();
    sending.abort();
    Ok(())
}

async fn send(sender: Sender) -> sockeye::Result<()> {
    let mut message = sender.send_stream(Kind::Binary).await?;
    copy(&mut repeat(b'x').take(1 << 30), &mut message).await?;
    message.finish().await
}

async fn tick(sender: Sender) -> sockeye::Result<()> {
    let mut every = interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        // Of the queued ticks, only the latest is of interest.
        sender.send_latest("tick", "tick").await?;
    }
}
