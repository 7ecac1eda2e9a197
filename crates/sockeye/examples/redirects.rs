//! Follows at most five redirects to a WebSocket, and prints the final address.
//!
//!     cargo run -p sockeye --example redirects -- ws://127.0.0.1:8080

use sockeye::{Client, CloseCode, ConnectError};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".into());
    match Client::new(url).follow_redirects(5).connect().await {
        Ok(mut ws) => {
            println!("connected to {:?}", ws.peer_addr());
            ws.close(CloseCode::NORMAL_CLOSURE, "").await
        }
        Err(error @ ConnectError::Redirect(_)) => {
            println!("{error}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
