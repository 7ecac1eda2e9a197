//! A client that runs every case of an Autobahn fuzzing server.
//!
//!     cargo run --release -p sockeye --example autobahn_client -- ws://127.0.0.1:9001

use sockeye::{Client, Deflate, Error, WebSocket};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let suite = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001".into());
    let mut ws = sockeye::connect(&format!("{suite}/getCaseCount")).await?;
    let count = ws.recv().await?;
    let count: u32 = count.as_ref().and_then(|count| count.as_text()?.parse().ok()).unwrap_or(0);
    for case in 1..=count {
        match run(&format!("{suite}/runCase?case={case}&agent=sockeye")).await {
            // The suite breaks every rule on purpose.
            Ok(()) | Err(Error::Protocol(_) | Error::Disconnected) => {}
            Err(error) => eprintln!("case {case}: {error:?}"),
        }
    }
    println!("ran {count} cases");
    run(&format!("{suite}/updateReports?agent=sockeye")).await
}

async fn run(url: &str) -> sockeye::Result<()> {
    let ws = Client::new(url).deflate(Deflate::default()).connect().await?;
    echo(ws).await
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
