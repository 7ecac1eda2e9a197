//! Forwards WebSockets to another server, frame by frame: messages are not reassembled, and pings,
//! pongs and close frames pass unchanged.
//!
//!     cargo run --release -p sockeye --example forward -- 127.0.0.1:8080 ws://127.0.0.1:9000

use sockeye::upgrade::HostPolicy;
use sockeye::{Client, FrameReceiver, FrameSender, Server, WebSocket};

/// Maximum size of a frame, in bytes.
const LIMIT: usize = 16 << 20;

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let target = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:9000".into());
    let server = Server::bind(address).await?.allow_hosts(HostPolicy::loopback().allow_addresses());
    println!("forwarding {} to {target}", server.local_addr()?);
    server.serve(move |ws| forward(ws, target.clone())).await
}

async fn forward(near: WebSocket, target: String) -> sockeye::Result<()> {
    let far = Client::new(target).connect().await?;
    let (from_near, to_near) = near.into_frames(LIMIT)?;
    let (from_far, to_far) = far.into_frames(LIMIT)?;
    tokio::try_join!(copy(from_near, to_far), copy(from_far, to_near))?;
    Ok(())
}

async fn copy(mut from: FrameReceiver, mut to: FrameSender) -> sockeye::Result<()> {
    while let Some(frame) = from.recv_frame().await? {
        to.send_frame(&frame).await?;
    }
    to.shutdown().await
}
