//! Stays connected to a server through its restarts, with a fresh token for each attempt, and
//! prints each event.
//!
//!     cargo run -p sockeye --example reconnect -- ws://127.0.0.1:8080

use sockeye::Client;
use sockeye::reconnect::{Backoff, Event, Reconnecting};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".into());
    let mut feed = Reconnecting::new(Client::new(url))
        .backoff(Backoff::new().max_attempts(Some(10)))
        .before_attempt(|attempt, mut headers| async move {
            headers.insert("authorization", format!("Bearer token-{attempt}").parse()?);
            Ok(headers)
        });
    while let Some(event) = feed.next().await? {
        match event {
            Event::Scheduled { attempt, delay } => println!("attempt {attempt} in {delay:.1?}"),
            // Each new connection repeats what the server has to know.
            Event::Connected => feed.send("hello").await?,
            Event::Message(message) => println!("{message}"),
            Event::Failed(error) => println!("no connection: {error}"),
            Event::Lost(error) => println!("connection lost: {error}"),
            Event::Closed(frame) => println!("closed: {frame:?}"),
            _ => {}
        }
    }
    Ok(())
}
