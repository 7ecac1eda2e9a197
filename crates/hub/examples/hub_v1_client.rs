//! A client of the example `hub_v1`: prints what happens in a room, and publishes what is typed.
//!
//!     cargo run -p sockeye-hub --features client --example hub_v1_client -- ws://127.0.0.1:8080/ lobby ada

use std::error::Error;
use std::io::BufRead;

use sockeye_hub::client::{ClientEvent, ClientEvents, HistoryRequest, HubClient};
use sockeye_hub::{JoinOptions, Recovered};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let room = arguments.next().unwrap_or_else(|| "lobby".into());
    let name = arguments.next().unwrap_or_else(|| "somebody".into());

    chat(&url, &room, &name, read_lines()).await
}

pub(crate) async fn chat(
    url: &str,
    room: &str,
    name: &str,
    mut lines: mpsc::Receiver<String>,
) -> Result<(), Box<dyn Error>> {
    let (hub, events) = HubClient::builder(url).connect();
    let printing = tokio::spawn(print(events));
    let info = serde_json::json!({ "name": name }).to_string();
    hub.join_with(room, JoinOptions::new().info(info)).await?;
    let last = HistoryRequest { limit: Some(10), reverse: true, ..HistoryRequest::default() };
    for (publication, _) in hub.history(room, last).await?.publications.iter().rev() {
        println!("{}", publication.message);
    }
    while let Some(line) = lines.recv().await {
        let message = serde_json::json!({ "name": name, "text": line }).to_string();
        hub.publish(room, message).await?;
    }
    hub.close().await;
    Ok(printing.await?)
}

async fn print(mut events: ClientEvents) {
    while let Some(event) = events.next().await {
        match event {
            ClientEvent::Publication { publication, .. } => println!("{}", publication.message),
            ClientEvent::Joined { room, joined } => match joined.recovery {
                Recovered::Gap(reason) => println!("* in {room}; messages are missing: {reason}"),
                _ => println!("* in {room}"),
            },
            ClientEvent::Missed { missed, .. } => {
                println!("* messages are missing: {:?}", missed.reason);
            }
            ClientEvent::Presence { diff, .. } => {
                let (came, went) = (diff.joined.len(), diff.left.len());
                println!("* {came} came, {went} left");
            }
            ClientEvent::Disconnected { reason } | ClientEvent::Closed { reason } => {
                println!("* {reason}");
            }
            _ => {}
        }
    }
}

/// Reads the standard input in a thread of its own, as a read cannot be cancelled.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
