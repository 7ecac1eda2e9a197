//! Closes clients that miss a deadline: one that does not read, or that sends a message byte by
//! byte.
//!
//!     cargo run -p sockeye --example deadlines

use std::time::Duration;

use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{Config, Error, Server, TimedOut, WebSocket};

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let config = Config::new()
        .write_timeout(Some(Duration::from_secs(10)))
        .read_timeout(Some(Duration::from_secs(60)))
        .ping_after(Some(Duration::from_secs(20)));
    let server = Server::bind("127.0.0.1:8080").await?;
    println!("ws://{}/", server.local_addr()?);
    server
        .options(
            Options::new()
                .allow_hosts(HostPolicy::loopback())
                .config(config)
                .handshake_timeout(Duration::from_secs(3)),
        )
        .serve(async |ws| match echo(ws).await {
            Err(Error::TimedOut(TimedOut::Writing)) => eprintln!("a client does not read"),
            Err(Error::TimedOut(TimedOut::Reading)) => eprintln!("a client sends too slowly"),
            Err(Error::TimedOut(TimedOut::Keepalive)) => eprintln!("a client is gone"),
            Err(error) => eprintln!("{error}"),
            Ok(()) => {}
        })
        .await
}
