//! The far end of a tunnel: carries each WebSocket to a TCP server, whatever its protocol.
//!
//!     cargo run --release -p sockeye --example tunnel_server -- 127.0.0.1:8080 127.0.0.1:6379

use std::time::Duration;

use sockeye::byte_stream::{self, ByteStream};
use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{CloseCode, Config, Outcome, Server};
use tokio::net::TcpStream;

/// The same timeout as in `tunnel_client`.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let target = arguments.next().unwrap_or_else(|| "127.0.0.1:6379".into());
    let (mut listener, accept) = byte_stream::listener();
    // While a program does not read, its end of the tunnel accepts no data and answers no pings.
    let config = Config::new().write_timeout(None).pong_timeout(A_DAY);
    let server = Server::bind(address)
        .await?
        .options(Options::new().config(config))
        .allow_hosts(HostPolicy::loopback().allow_addresses());
    println!("ws://{}/ leads to {target}", server.local_addr()?);
    tokio::spawn(server.serve(move |ws| accept.deliver(ws)));
    while let Some(stream) = listener.accept().await {
        let target = target.clone();
        tokio::spawn(async move { tunnel(stream, target).await.log() });
    }
    Ok(())
}

async fn tunnel(mut stream: ByteStream, target: String) -> sockeye::Result<()> {
    stream.set_half_close_timeout(A_DAY);
    let tcp = match TcpStream::connect(target).await {
        Ok(tcp) => tcp,
        // The other end of the tunnel sees an error with this reason.
        Err(error) => {
            stream.abort(CloseCode::BAD_GATEWAY, error.kind().to_string()).await?;
            return Err(error.into());
        }
    };
    tcp.set_nodelay(true)?;
    stream.copy_bidirectional(tcp).await?;
    Ok(())
}
