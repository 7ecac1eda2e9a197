use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sockeye::split::TrySendError;
use sockeye::{CapacityFuture, CloseCode, Message, Outlet, Prepared, UsageError};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::failure::{Checked, broken, equal, holds};
use super::{ARRIVAL, Kit, ample, room};
use crate::core::history::{Limit, Range};
use crate::core::presence::{PresenceConfig, PresenceDiff};
use crate::core::{RoomName, UserId};
use crate::{
    Delivery, Disconnect, Encoder, Hub, JoinOptions, Missed, Recipients, Recovered, RoomOptions,
    SessionHandle, SessionOptions,
};

/// A client that the kit plays: it collects what its session is sent.
#[derive(Clone, Debug, Default)]
struct Client {
    received: Arc<Received>,
}

#[derive(Debug, Default)]
struct Received {
    lines: Mutex<VecDeque<String>>,
    arrived: Notify,
}

impl Client {
    fn push(&self, line: String) {
        let mut lines = self.received.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        self.received.arrived.notify_one();
    }

    /// Returns the next line within [`ARRIVAL`].
    async fn line(&self) -> Checked<String> {
        let arrived = timeout(ARRIVAL, async {
            loop {
                let line = {
                    let lines = &self.received.lines;
                    lines.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
                };
                if let Some(line) = line {
                    return line;
                }
                self.received.arrived.notified().await;
            }
        });
        arrived.await.map_err(|_| broken(format!("a client received nothing for {ARRIVAL:?}")))
    }

    async fn expect(&self, expected: &str) -> Checked {
        equal("what a client receives", &*self.line().await?, expected)
    }
}

impl Outlet for Client {
    fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>> {
        self.push(prepared.message().to_string());
        Ok(())
    }

    fn wait_for_capacity(&self, _: usize) -> CapacityFuture<'_> {
        Box::pin(async {})
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), UsageError> {
        self.push(format!("closed {} {reason}", u16::from(code)));
        Ok(())
    }

    fn abort(&self) {
        self.push("aborted".to_owned());
    }

    fn is_closed(&self) -> bool {
        false
    }
}

/// The protocol of these clients: a line for each publication and notice.
#[derive(Debug)]
struct Lines;

impl Encoder for Lines {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        delivery.publication.message.clone()
    }

    fn presence(&self, _: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        let mut line = "presence".to_owned();
        for (sign, members) in [('+', &diff.joined), ('-', &diff.left)] {
            for member in members {
                let _ = write!(line, " {sign}{}", String::from_utf8_lossy(&member.profile.info));
            }
        }
        Some(line.into())
    }

    fn missed(&self, _: &RoomName, missed: &Missed) -> Option<Message> {
        Some(format!("missed {:?}", missed.reason).into())
    }
}

async fn hub(kit: &Kit) -> Hub {
    let presence = PresenceConfig {
        diff_delay: Duration::from_millis(1),
        delta_delay: Duration::ZERO,
        grace: Duration::from_millis(1),
        ..PresenceConfig::default()
    };
    let builder = Hub::builder().encoder(Lines).bus(kit.link().await);
    let builder = builder.presence(presence).expect("the times do not contradict each other");
    builder
        .rooms(|room| match room.as_str() {
            name if name.starts_with("log") => RoomOptions::new().history(ample()),
            name if name.starts_with("present") => RoomOptions::new().presence(),
            _ => RoomOptions::new(),
        })
        .build()
}

fn connect(hub: &Hub, user: &str) -> (Client, SessionHandle) {
    let client = Client::default();
    let options = SessionOptions::new().user(UserId::new(user));
    (client.clone(), hub.attach(client, (), options))
}

pub(super) async fn hubs(kit: &Kit) -> Checked {
    for count in [2, 3] {
        let mut hubs = Vec::new();
        for _ in 0..count {
            hubs.push(hub(kit).await);
        }
        publications(&hubs).await?;
        presence_and_commands(&hubs).await?;
    }
    Ok(())
}

/// Checks rooms without history, then rooms with one, whose members return on other nodes.
async fn publications(hubs: &[Hub]) -> Checked {
    let (live, log) = (room("live"), room("log"));
    let mut members = Vec::new();
    for (number, hub) in hubs.iter().enumerate() {
        let (client, session) = connect(hub, &format!("user {number}"));
        session.join(&live).await?;
        session.join(&log).await?;
        members.push((client, session));
    }
    for (number, hub) in hubs.iter().enumerate() {
        hub.room(&live).publish(format!("live {number}")).await?;
        for (client, _) in &members {
            client.expect(&format!("live {number}")).await?;
        }
    }
    let mut position = None;
    for number in 0..10 {
        let hub = &hubs[number % hubs.len()];
        position = hub.room(&log).publish(format!("log {number}")).await?;
        for (client, _) in &members {
            client.expect(&format!("log {number}")).await?;
        }
    }
    let Some(position) = position else { return Err(broken("a log without position")) };
    for (_, session) in &members {
        session.end(&Disconnect::Dropped);
    }
    for number in 10..40 {
        hubs[number % hubs.len()].room(&log).publish(format!("log {number}")).await?;
    }
    for (number, hub) in hubs.iter().enumerate() {
        let (client, session) = connect(hub, &format!("user {number}"));
        let joined = session.join_with(&log, JoinOptions::new().from(position)).await?;
        equal("the recovery on another node", joined.recovery, Recovered::All)?;
        for number in 10..40 {
            client.expect(&format!("log {number}")).await?;
        }
        let page = hub.room(&log).history(Range::backwards(Limit { count: 3, bytes: 100 })).await?;
        equal("the newest entry", page.entries.first().map(super::node::text), Some("log 39"))?;
        session.end(&Disconnect::Dropped);
    }
    Ok(())
}

/// Checks that all hubs know the members of all, and reach them.
async fn presence_and_commands(hubs: &[Hub]) -> Checked {
    let present = room("present");
    let mut members = Vec::new();
    for (number, hub) in hubs.iter().enumerate() {
        let (client, session) = connect(hub, &format!("user {number}"));
        let info = format!("info {number}");
        session.join_with(&present, JoinOptions::new().info(info)).await?;
        members.push((client, session));
    }
    let agreed = timeout(ARRIVAL, async {
        for hub in hubs {
            while hub.room(&present).counts()?.sessions != hubs.len() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Checked::Ok(())
    });
    agreed.await.map_err(|_| broken("the hubs do not agree about who is in a room"))??;
    let first = &hubs[0];
    first.send_to(UserId::new("user 1"), "to one").await?;
    first.broadcast("to all").await?;
    for (number, (client, _)) in members.iter().enumerate() {
        let mut expected: Vec<_> = if number == 1 { vec!["to one"] } else { Vec::new() };
        expected.push("to all");
        for expected in expected {
            // Notices of the presence come in between.
            loop {
                let line = client.line().await?;
                if line.starts_with("presence") {
                    continue;
                }
                equal("what a session of another node is sent", &*line, expected)?;
                break;
            }
        }
    }
    let last = &members[members.len() - 1];
    first.close(Recipients::Sessions(vec![last.1.id()]), 4_001, "bye").await?;
    let closed = timeout(ARRIVAL, async {
        loop {
            let line = last.0.line().await?;
            if line == "closed 4001 bye" {
                return Checked::Ok(());
            }
        }
    });
    closed.await.map_err(|_| broken("a session of another node is not closed"))??;
    last.1.end(&Disconnect::Dropped);
    let gone = timeout(ARRIVAL, async {
        while first.room(&present).counts()?.sessions == hubs.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Checked::Ok(())
    });
    gone.await.map_err(|_| broken("a session that has ended is still in the room"))??;
    let counts = first.room(&present).counts()?;
    holds(counts.sessions == hubs.len() - 1, || format!("{counts:?} after one has left"))?;
    for (_, session) in &members {
        session.end(&Disconnect::Dropped);
    }
    Ok(())
}
