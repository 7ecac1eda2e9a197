//! Clients and servers in memory, and a protocol that shows what it is given.

use std::fmt::Write as _;
use std::time::Duration;

use sockeye::upgrade::Upgrader;
use sockeye::{Client, Message, WebSocket};
use sockeye_hub::core::RoomName;
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::core::presence::{Member, PresenceDiff};
use sockeye_hub::{
    Builder, Delivery, Encoder, Hub, Joined, Missed, Recovered, RoomOptions, Session,
};

/// The protocol of the tests: a line for each publication and notice.
#[derive(Debug)]
pub(crate) struct Lines;

impl Encoder for Lines {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        let offset = delivery.position.map_or("-".into(), |p| p.offset.to_string());
        format!("{} {offset} {}", delivery.room, delivery.publication.message).into()
    }

    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        let offset = joined.position.map_or("-".into(), |p| p.offset.to_string());
        let recovery = match joined.recovery {
            Recovered::NotAsked => String::new(),
            Recovered::All => " recovered".into(),
            Recovered::Gap(reason) => format!(" gap {reason}"),
        };
        Some(format!("{room} joined {offset}{recovery}").into())
    }

    fn presence(&self, room: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        let names = |members: &[Member]| -> String {
            members.iter().map(|m| String::from_utf8_lossy(&m.profile.info).into_owned()).collect()
        };
        let (joined, updated) = (names(&diff.joined), names(&diff.updated));
        let mut line = format!("{room} +{joined} ~{updated} -{}", names(&diff.left));
        for user in &diff.users_joined {
            let _ = write!(line, " {user} here");
        }
        for user in &diff.users_left {
            let _ = write!(line, " {user} gone");
        }
        Some(line.into())
    }

    fn missed(&self, room: &RoomName, missed: &Missed) -> Option<Message> {
        Some(format!("{room} missed {:?} {:?}", missed.count, missed.reason).into())
    }
}

/// Returns a hub whose rooms have a history if their names begin with "log", and catch up if they
/// begin with "log:slow".
pub(crate) fn hub<S: Send + Sync + 'static>() -> Builder<S> {
    Hub::builder().encoder(Lines).rooms(|room| {
        let options = RoomOptions::new();
        let retention = Retention { count: 10_000, bytes: 16 << 20, ..Retention::default() };
        match room.as_str() {
            name if name.starts_with("log:slow") => {
                options.history(retention).policy(DeliveryPolicy::CatchUp)
            }
            name if name.starts_with("log") => options.history(retention),
            name if name.starts_with("present") => options.presence(),
            name if name.starts_with("disconnect") => options.policy(DeliveryPolicy::Disconnect),
            name if name.starts_with("newest") => options.policy(DeliveryPolicy::DropNewest),
            name if name.starts_with("paced") => {
                let interval = Duration::from_millis(20);
                options.policy(DeliveryPolicy::Conflate { interval }).key_tag("key")
            }
            name if name.starts_with("keyed:log") => {
                options.history(retention).policy(DeliveryPolicy::LatestByKey).key_tag("key")
            }
            name if name.starts_with("latest") => {
                options.policy(DeliveryPolicy::LatestByKey).key_tag("key")
            }
            _ => options,
        }
    })
}

/// Returns a client and its server in memory.
pub(crate) async fn pair() -> (WebSocket, WebSocket) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let (client, server) = (Client::new("ws://localhost/"), Upgrader::new());
    let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
    (client.unwrap(), server.unwrap())
}

/// Connects a client to a hub.
pub(crate) async fn connect(hub: &Hub) -> (WebSocket, Session) {
    let (client, server) = pair().await;
    (client, hub.connect(server, ()))
}

/// Receives a text within half a minute: a loss at the end is found after ten seconds.
pub(crate) async fn line(client: &mut WebSocket) -> String {
    let received = tokio::time::timeout(Duration::from_secs(30), client.recv()).await;
    let message = received.expect("a message within half a minute").unwrap();
    message.expect("the connection is open").to_string()
}

pub(crate) async fn lines(client: &mut WebSocket, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.push(line(client).await);
    }
    lines
}

/// Asserts that nothing more is on its way: what is sent now arrives next.
pub(crate) async fn nothing_more(client: &mut WebSocket, session: &Session) {
    session.send("nothing more").await.unwrap();
    assert_eq!(line(client).await, "nothing more");
}
