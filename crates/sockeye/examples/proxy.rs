//! Sends a message through a proxy: the one given as an argument, or else the one that the
//! environment names.
//!
//!     cargo run -p sockeye --example proxy -- ws://127.0.0.1:8080 socks5://127.0.0.1:1080
//!     http_proxy=127.0.0.1:3128 cargo run -p sockeye --example proxy -- ws://example.com/echo

use sockeye::{Client, CloseCode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let client = Client::new(arguments.next().unwrap_or_else(|| "ws://127.0.0.1:8080".into()));
    let client = match arguments.next() {
        Some(proxy) => client.proxy(proxy.parse()?),
        None => client.proxy_from_environment(),
    };
    let mut ws = client.connect().await?;
    ws.send("hello").await?;
    if let Some(message) = ws.recv().await? {
        println!("{message}");
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    Ok(())
}
