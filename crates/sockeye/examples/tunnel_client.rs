//! The near end of a tunnel: carries each TCP connection to `tunnel_server` as a WebSocket.
//!
//!     cargo run --release -p sockeye --example tunnel_client -- 127.0.0.1:7000 ws://127.0.0.1:8080/
//!     redis-cli -p 7000 ping

use std::io;

use sockeye::Outcome;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7000".into());
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let listener = TcpListener::bind(address).await?;
    println!("{} leads to {url}", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        let url = url.clone();
        tokio::spawn(async move { carry(tcp, url).await.log() });
    }
}

async fn carry(mut tcp: TcpStream, url: String) -> sockeye::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream = sockeye::connect(url).await?.into_byte_stream();
    copy_bidirectional(&mut tcp, &mut stream).await?;
    Ok(())
}
