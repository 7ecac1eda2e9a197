//! Uses both directions at once: every connection receives the time each second, whatever it sends,
//! and its own messages back.
//!
//!     cargo run --release -p sockeye --example split -- 127.0.0.1:8080

use std::time::Duration;

use sockeye::split::{SendQueue, Sender, WhenFull};
use sockeye::upgrade::HostPolicy;
use sockeye::{Server, WebSocket};
use tokio::time::{Instant, interval};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let server = Server::bind(&address).await?;
    server.allow_hosts(HostPolicy::loopback().allow_addresses()).serve(talk).await
}

async fn talk(ws: WebSocket) -> sockeye::Result<()> {
    // A peer that does not keep up is closed with 1013.
    let queue = SendQueue::new().capacity(64 * 1024).when_full(WhenFull::Disconnect);
    let (sender, mut receiver) = ws.split_with(queue);
    let clock = tokio::spawn(tell_the_time(sender.clone()));
    while let Some(message) = receiver.recv().await? {
        sender.send(message).await?;
    }
    clock.abort();
    Ok(())
}

async fn tell_the_time(sender: Sender) -> sockeye::Result<()> {
    let (start, mut every) = (Instant::now(), interval(Duration::from_secs(1)));
    loop {
        let now = every.tick().await;
        // Of the queued times, only the latest is of interest.
        sender.send_latest("time", format!("{} s", (now - start).as_secs())).await?;
    }
}
