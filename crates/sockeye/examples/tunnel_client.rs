//! The near end of a tunnel: carries each TCP connection to `tunnel_server` as a WebSocket.
//!
//!     cargo run --release -p sockeye --example tunnel_client -- 127.0.0.1:7000 ws://127.0.0.1:8080/
//!     redis-cli -p 7000 ping

use std::io;
use std::time::Duration;

use sockeye::{Client, Config, Outcome};
use tokio::net::{TcpListener, TcpStream};

/// A timeout longer than any live program leaves its connection unread. The pings still detect a
/// host that is gone: TCP gives up on unacknowledged data after a quarter of an hour.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
        tokio::spawn(async move { tunnel(tcp, url).await.log() });
    }
}

async fn tunnel(tcp: TcpStream, url: String) -> sockeye::Result<()> {
    tcp.set_nodelay(true)?;
    // If the other end is unreachable, the program sees a reset and not the end of an empty answer.
    tcp.set_zero_linger()?;
    // While a program does not read, its end of the tunnel accepts no data and answers no pings.
    let config = Config::new().write_timeout(None).pong_timeout(A_DAY);
    let mut stream = Client::new(url).config(config).connect().await?.into_byte_stream();
    stream.set_half_close_timeout(A_DAY);
    stream.copy_bidirectional(tcp).await?;
    Ok(())
}
