//! Sends the time to all clients every second: each message is encoded once and, for clients that
//! negotiated permessage-deflate, compressed once.
//!
//!     cargo run --release -p sockeye --example prepared -- 127.0.0.1:8080

use std::time::{Duration, SystemTime};

use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{CloseCode, Deflate, Prepared, Server, WebSocket};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Sender, channel};
use tokio::time::interval;

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    // Clients that are more than 16 messages behind miss some.
    let (clock, _) = channel(16);
    tokio::spawn(tick(clock.clone()));
    let server = Server::bind(address).await?.options(Options::new().deflate(Deflate::new()));
    println!("listening on {}", server.local_addr()?);
    server
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .serve(move |ws| listen(ws, clock.clone()))
        .await
}

async fn tick(clock: Sender<Prepared>) {
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        // An error means that no client is connected.
        let _ = clock.send(Prepared::new(format!("{time} seconds since 1970")));
    }
}

async fn listen(mut ws: WebSocket, clock: Sender<Prepared>) -> sockeye::Result<()> {
    let mut times = clock.subscribe();
    loop {
        tokio::select! {
            received = ws.recv() => {
                if received?.is_none() {
                    return Ok(());
                }
            }
            time = times.recv() => match time {
                Ok(prepared) => ws.send_prepared(&prepared).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return ws.close(CloseCode::GOING_AWAY, "").await,
            },
        }
    }
}
