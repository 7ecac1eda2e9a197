use std::time::Duration;

use super::failure::{Checked, equal, holds};
use super::node::{Node, texts};
use super::{ARRIVAL, Kit, room};
use crate::core::history::{GapReason, Retention};
use crate::core::{Position, RoomName};

async fn after(
    node: &Node,
    room: &RoomName,
    retention: &Retention,
    position: &Position,
) -> Checked<Result<usize, GapReason>> {
    let page = node.read_from(room, retention, position).await?;
    Ok(page.after(position).map(<[_]>::len))
}

pub(super) async fn by_count(kit: &Kit) -> Checked {
    const COUNT: usize = 10;

    let node = kit.node().await;
    let room = room("count");
    let retention = Retention { count: COUNT, age: Duration::from_secs(3600), bytes: 1 << 20 };
    let mut positions = vec![node.bus.top(&room, &retention).await?];
    for number in 1..=3 * COUNT {
        positions.push(node.store_text(&room, number.to_string(), &retention).await?);
        let log = node.log(&room, &retention).await?;
        let found = log.entries.len();
        holds(found >= number.min(COUNT) && found <= number.min(COUNT + kit.slack), || {
            format!("{found} entries after {number} publications, of {COUNT} retained")
        })?;
        let newest = texts(&log.entries).last().map(|text| (*text).to_owned());
        equal("the newest entry", newest, Some(number.to_string()))?;
    }
    let found = after(&node, &room, &retention, &positions[2 * COUNT + 1]).await?;
    equal("the entries after a retained position", found, Ok(COUNT - 1))?;
    for trimmed in [0, 1, COUNT, 2 * COUNT - 1 - kit.slack] {
        let found = after(&node, &room, &retention, &positions[trimmed]).await?;
        equal("what follows a position that is not retained", found, Err(GapReason::Trimmed))?;
    }
    let found = after(&node, &room, &retention, &positions[3 * COUNT]).await?;
    equal("what follows the top", found, Ok(0))
}

pub(super) async fn by_bytes(kit: &Kit) -> Checked {
    let node = kit.node().await;
    let room = room("bytes");
    let retention = Retention { count: 1_000, age: Duration::from_secs(3600), bytes: 1_000 };
    for number in 0..40 {
        node.store_text(&room, format!("{number:0>100}"), &retention).await?;
    }
    let log = node.log(&room, &retention).await?;
    let found = log.entries.len();
    holds((10..=10 + kit.slack).contains(&found), || {
        format!("{found} entries of 100 bytes, of 1,000 bytes retained")
    })?;
    // One that is larger than the bound is delivered, and not retained.
    let mut subscriber = kit.node().await;
    subscriber.follow(&room, &retention).await?;
    let top = node.store_text(&room, "x".repeat(2_000), &retention).await?;
    let (_, epoch, entry) = subscriber.stored().await?;
    equal("the position of a large publication", entry.position(epoch), top)?;
    let log = node.log(&room, &retention).await?;
    equal("the top", log.top, top)?;
    holds(log.entries.len() <= kit.slack, || format!("{} entries", log.entries.len()))
}

pub(super) async fn by_age(kit: &Kit) -> Checked {
    let node = kit.node().await;
    let room = room("age");
    let retention = Retention { count: 1_000, age: Duration::from_secs(2), bytes: 1 << 20 };
    let first = node.store_text(&room, "old", &retention).await?;
    let second = node.store_text(&room, "old too", &retention).await?;
    let found = after(&node, &room, &retention, &first).await?;
    equal("the entries before they are old", found, Ok(1))?;
    let deadline = tokio::time::Instant::now() + ARRIVAL;
    let top = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let log = node.log(&room, &retention).await?;
        if log.entries.len() <= kit.slack {
            break log.top;
        }
        holds(tokio::time::Instant::now() < deadline, || {
            format!("{} entries are older than {:?}", log.entries.len(), retention.age)
        })?;
    };
    equal("the top after the entries", top, second)?;
    let found = after(&node, &room, &retention, &second).await?;
    equal("what follows the top", found, Ok(0))?;
    let found = after(&node, &room, &retention, &first).await?;
    holds(matches!(found, Err(GapReason::Trimmed) | Ok(1)), || format!("found {found:?}"))?;
    // A new entry does not bring back old ones.
    node.store_text(&room, "new", &retention).await?;
    let log = node.log(&room, &retention).await?;
    equal("the newest entry", texts(&log.entries).last(), Some(&"new"))?;
    holds(log.entries.len() <= 1 + kit.slack, || {
        format!("{} entries after one that is new", log.entries.len())
    })
}
