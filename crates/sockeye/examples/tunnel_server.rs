//! The far end of a tunnel: carries each WebSocket to a TCP server, whatever that speaks.
//!
//!     cargo run --release -p sockeye --example tunnel_server -- 127.0.0.1:8080 127.0.0.1:6379

use sockeye::byte_stream::{self, ByteStream};
use sockeye::upgrade::HostPolicy;
use sockeye::{Outcome, Server};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let target = arguments.next().unwrap_or_else(|| "127.0.0.1:6379".into());
    let (mut listener, accept) = byte_stream::listener();
    let server = Server::bind(address).await?.allow_hosts(HostPolicy::loopback().allow_addresses());
    println!("ws://{}/ leads to {target}", server.local_addr()?);
    tokio::spawn(server.serve(move |ws| accept.give(ws)));
    while let Some(stream) = listener.accept().await {
        let target = target.clone();
        tokio::spawn(async move { carry(stream, target).await.log() });
    }
    Ok(())
}

async fn carry(mut stream: ByteStream, target: String) -> std::io::Result<()> {
    let mut tcp = TcpStream::connect(target).await?;
    tcp.set_nodelay(true)?;
    // Each direction ends by itself: what one end still has to say after the other has ended arrives.
    copy_bidirectional(&mut stream, &mut tcp).await?;
    Ok(())
}
