use std::time::Duration;

use tokio::time::timeout;

use super::failure::{Checked, broken, equal};
use super::node::Node;
use super::{Kit, ample, room};
use crate::bus::BusEvent;
use crate::core::RoomName;

/// The text of the publications of [`connected`].
const PROBE: &str = "probe";

/// Publishes until the other node receives it: the servers of a broker may know of a subscription
/// some time after it was made.
pub(super) async fn connected(
    from: &Node,
    to: &mut Node,
    room: &RoomName,
    is_stored: bool,
) -> Checked {
    for _ in 0..100 {
        if is_stored {
            from.store_text(room, PROBE, &ample()).await?;
        } else {
            from.publish_live(room, PROBE).await?;
        }
        let received = async {
            while publication(to).await?.0 != *room {}
            Ok(())
        };
        if let Ok(received) = timeout(Duration::from_millis(100), received).await {
            return received;
        }
    }
    Err(broken("nothing reaches a subscriber within ten seconds"))
}

/// Returns the next publication, stored or not.
async fn publication(node: &mut Node) -> Checked<(RoomName, String)> {
    match node.event().await? {
        BusEvent::Live { room, publication } => Ok((room, publication.message.to_string())),
        BusEvent::Stored { room, entry, .. } => Ok((room, entry.publication.message.to_string())),
        other => Err(broken(format!("expected a publication, received {other:?}"))),
    }
}

/// Returns the next publication, stored or not, that is no probe.
async fn after_all_probes(node: &mut Node) -> Checked<(RoomName, String)> {
    loop {
        let received = publication(node).await?;
        if received.1 != PROBE {
            return Ok(received);
        }
    }
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
    connected(&publisher, &mut other, &room, false).await?;
    connected(&other, &mut publisher, &room, false).await?;
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
    for node in [&mut leaving, &mut staying] {
        connected(&publisher, node, &live, false).await?;
        connected(&publisher, node, &stored, true).await?;
    }
    leaving.bus.unsubscribe(&live).await?;
    leaving.bus.unsubscribe(&stored).await?;
    // Unsubscribing twice, and from a room that was never subscribed to, changes nothing.
    leaving.bus.unsubscribe(&live).await?;
    leaving.bus.unsubscribe(&room("never")).await?;
    // Events that were queued before may follow.
    while leaving.event_soon().await.is_some() {}
    publisher.publish_live(&live, "1").await?;
    let received = after_all_probes(&mut staying).await?;
    equal("what a subscriber receives", received, (live.clone(), "1".into()))?;
    publisher.store_text(&stored, "1", &retention).await?;
    let received = after_all_probes(&mut staying).await?;
    equal("what a subscriber receives", received, (stored.clone(), "1".into()))?;
    leaving.nothing_more().await?;
    leaving.bus.subscribe(&live, None).await?;
    leaving.follow(&stored, &retention).await?;
    connected(&publisher, &mut leaving, &live, false).await?;
    connected(&publisher, &mut leaving, &stored, true).await?;
    publisher.publish_live(&live, "2").await?;
    let received = after_all_probes(&mut leaving).await?;
    equal("what a node that is back receives", received, (live, "2".into()))?;
    publisher.store_text(&stored, "2", &retention).await?;
    let received = after_all_probes(&mut leaving).await?;
    equal("what a node that is back receives", received, (stored, "2".into()))
}
