//! A chat with rooms, history and presence: each client names its room and itself in the URL, and
//! may present the position of the last message that it has seen.
//!
//!     cargo run --release -p sockeye-hub --example rooms -- 127.0.0.1:8080
//!     sockeye connect 'ws://127.0.0.1:8080/?room=lobby&name=ada'

use std::error::Error;

use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{Message, Server, WebSocket};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::core::presence::PresenceDiff;
use sockeye_hub::core::{RoomName, UserId};
use sockeye_hub::{
    Delivery, Encoder, Hub, JoinOptions, Joined, Missed, Recovered, RoomOptions, SessionOptions,
};
use tokio::net::TcpListener;

/// The protocol: a line for each message and notice.
#[derive(Debug)]
struct Lines;

impl Encoder for Lines {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        let position = delivery.position.map(|p| p.to_string()).unwrap_or_default();
        format!("[{position}] {}", delivery.publication.message).into()
    }

    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        Some(match joined.recovery {
            Recovered::Gap(reason) => format!("* in {room}; messages are missing: {reason}").into(),
            _ => format!("* in {room}").into(),
        })
    }

    fn missed(&self, _: &RoomName, missed: &Missed) -> Option<Message> {
        Some(format!("* messages are missing: {:?}", missed.reason).into())
    }

    fn presence(&self, _: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        let came = diff.users_joined.iter().map(|user| format!("{user} is here"));
        let went = diff.users_left.iter().map(|user| format!("{user} has left"));
        let lines: Vec<_> = came.chain(went).collect();
        (!lines.is_empty()).then(|| format!("* {}", lines.join(", ")).into())
    }
}

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener).await
}

pub(crate) async fn serve(listener: TcpListener) -> sockeye::Result<()> {
    let room =
        RoomOptions::new().history(Retention::default()).policy(DeliveryPolicy::CatchUp).presence();
    let hub = Hub::builder().encoder(Lines).rooms(move |_| room.clone()).build();
    Server::from_listener(listener)
        .options(Options::new().keep_request(true))
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .serve(move |ws| chat(hub.clone(), ws))
        .await
}

async fn chat(hub: Hub, ws: WebSocket) -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = query(&ws, "name").unwrap_or_else(|| "somebody".into());
    let room = query(&ws, "room").unwrap_or_else(|| "lobby".into());
    let mut join = JoinOptions::new();
    if let Some(position) = query(&ws, "after") {
        join = join.from(position.parse()?);
    }
    let mut session = hub.connect_with(ws, (), SessionOptions::new().user(UserId::new(&name)));
    session.join_with(&room, join).await?;
    while let Some(message) = session.recv().await? {
        session.publish(&room, format!("{name}: {message}")).await?;
    }
    Ok(())
}

fn query(ws: &WebSocket, name: &str) -> Option<String> {
    ws.request()?.query(name).map(Into::into)
}
