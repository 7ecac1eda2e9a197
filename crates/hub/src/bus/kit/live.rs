use std::time::Duration;

use tokio::time::timeout;

use super::failure::{Checked, broken, equal};
use super::node::{Node, text};
use super::{Kit, ample, room};
use crate::core::RoomName;

/// The text of the publications of [`connected`].
const PROBE: &str = "probe";

/// Publishes until the other node receives it: the servers of a broker may know of a subscription
/// some time after it was made.
async fn connected(from: &Node, to: &mut Node, room: &RoomName) -> Checked {
    for _ in 0..100 {
        from.publish_live(room, PROBE).await?;
        if let Ok(received) = timeout(Duration::from_millis(100), to.live()).await {
            return received.map(drop);
        }
    }
    Err(broken("nothing reaches a subscriber within ten seconds"))
}

/// Returns the next publication to a room that is no probe.
async fn after_probes(node: &mut Node) -> Checked<(RoomName, String)> {
    loop {
        let received = node.live().await?;
        if received.1 != PROBE {
            return Ok(received);
        }
    }
}

pub(super) async fn live_publications(kit: &Kit) -> Checked {
    const COUNT: usize = 200;

    let (mut publisher, mut other) = (kit.node().await, kit.node().await);
    let room = room("live");
    for node in [&publisher, &other] {
        equal(
            "the position of a room without history",
            node.bus.subscribe(&room, None).await?,
            None,
        )?;
    }
    connected(&publisher, &mut other, &room).await?;
    connected(&other, &mut publisher, &room).await?;
    for number in 0..COUNT {
        publisher.publish_live(&room, &number.to_string()).await?;
    }
    for number in 0..COUNT {
        let received = after_probes(&mut other).await?;
        equal("the order of a publisher", received, (room.clone(), number.to_string()))?;
    }
    // What came back to the publisher's node would come before the answer.
    other.publish_live(&room, "answer").await?;
    let answer = after_probes(&mut publisher).await?;
    equal("what reaches the publisher", answer, (room.clone(), "answer".into()))?;
    publisher.nothing_more().await?;
    other.nothing_more().await?;
    let log = other.log(&room, &ample()).await?;
    equal("the entries of a room without history", log.entries.len(), 0)
}

pub(super) async fn unsubscribed(kit: &Kit) -> Checked {
    let (publisher, mut leaving, mut staying) =
        (kit.node().await, kit.node().await, kit.node().await);
    let (live, stored, retention) = (room("left"), room("left history"), ample());
    for node in [&leaving, &staying] {
        node.bus.subscribe(&live, None).await?;
        node.follow(&stored, &retention).await?;
    }
    leaving.bus.unsubscribe(&live).await?;
    leaving.bus.unsubscribe(&stored).await?;
    // Unsubscribing twice, and from a room that was never subscribed to, changes nothing.
    leaving.bus.unsubscribe(&live).await?;
    leaving.bus.unsubscribe(&room("never")).await?;
    publisher.publish_live(&live, "1").await?;
    equal("what a subscriber receives", staying.live().await?, (live.clone(), "1".into()))?;
    publisher.store_text(&stored, "1", &retention).await?;
    equal("what a subscriber receives", text(&staying.stored().await?.2), "1")?;
    leaving.nothing_more().await?;
    leaving.bus.subscribe(&live, None).await?;
    leaving.follow(&stored, &retention).await?;
    publisher.publish_live(&live, "2").await?;
    equal("what a node that is back receives", leaving.live().await?, (live, "2".into()))?;
    publisher.store_text(&stored, "2", &retention).await?;
    equal("what a node that is back receives", text(&leaving.stored().await?.2), "2")
}
