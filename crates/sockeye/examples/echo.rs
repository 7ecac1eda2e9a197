//! Echoes every message, with one task per connection.
//!
//!     cargo run -p sockeye --example echo

use sockeye::upgrade::HostPolicy;
use sockeye::{Server, WebSocket};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let server = Server::bind("127.0.0.1:8080").await?;
    server.allow_hosts(HostPolicy::loopback()).serve(echo).await
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
