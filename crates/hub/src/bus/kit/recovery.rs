use super::failure::{Checked, broken, equal, holds};
use super::node::{Node, texts};
use super::{Kit, ample, room};
use crate::core::history::{GapReason, Limit, Range, Retention};
use crate::core::{Epoch, Position, RoomName, Tag};

/// Stores texts, and returns the position before and after each.
async fn fill(
    node: &Node,
    room: &RoomName,
    retention: &Retention,
    count: usize,
) -> Checked<Vec<Position>> {
    let mut positions = vec![node.bus.top(room, retention).await?];
    for number in 0..count {
        positions.push(node.store_text(room, number.to_string(), retention).await?);
    }
    Ok(positions)
}

/// Returns what follows a position, or the reason of the gap.
async fn after(
    node: &Node,
    room: &RoomName,
    retention: &Retention,
    position: &Position,
) -> Checked<Result<Vec<String>, GapReason>> {
    let page = node.read_from(room, retention, position).await?;
    Ok(page.after(position).map(|entries| texts(entries).into_iter().map(Into::into).collect()))
}

pub(super) async fn recovery(kit: &Kit) -> Checked {
    const COUNT: usize = 20;

    let (publisher, reader) = (kit.node().await, kit.node().await);
    let (room, retention) = (room("recovery"), ample());
    let positions = fill(&publisher, &room, &retention, COUNT).await?;
    for (number, position) in positions.iter().enumerate() {
        let expected: Vec<_> = (number..COUNT).map(|number| number.to_string()).collect();
        let found = after(&reader, &room, &retention, position).await?;
        equal(&format!("what follows {position}"), found, Ok(expected))?;
    }
    // Between others: a busy broker must not take rooms for one another.
    let other = super::room("beside");
    fill(&publisher, &other, &retention, 5).await?;
    let more = publisher.store_text(&room, "more", &retention).await?;
    let found = after(&reader, &room, &retention, &positions[COUNT]).await?;
    equal("what follows after another room's publications", found, Ok(vec!["more".into()]))?;
    equal("the top", reader.bus.top(&room, &retention).await?, more)
}

pub(super) async fn false_positions(kit: &Kit) -> Checked {
    let node = kit.node().await;
    let (room, retention) = (room("false"), ample());
    let positions = fill(&node, &room, &retention, 5).await?;
    let other_tag = |position: Position| Position { tag: Tag(position.tag.0 ^ 1), ..position };
    let cases = [
        (other_tag(positions[5]), GapReason::RolledBack),
        (other_tag(positions[3]), GapReason::RolledBack),
        (Position { offset: positions[5].offset + 1_000, ..positions[5] }, GapReason::RolledBack),
        (Position { epoch: Epoch(positions[3].epoch.0 ^ 1), ..positions[3] }, GapReason::Epoch),
    ];
    for (position, reason) in cases {
        let found = after(&node, &room, &retention, &position).await?;
        equal(&format!("what follows {position}, after {positions:?}"), found, Err(reason))?;
    }
    Ok(())
}

pub(super) async fn pages(kit: &Kit) -> Checked {
    const COUNT: usize = 30;

    let node = kit.node().await;
    let (room, retention) = (room("pages"), ample());
    fill(&node, &room, &retention, COUNT).await?;
    let mut log = node.log(&room, &retention).await?.entries;
    equal("the number of entries", log.len(), COUNT)?;
    for backwards in [false, true] {
        if backwards {
            log.reverse();
        }
        for limit in [
            Limit { count: 2, bytes: usize::MAX },
            Limit { count: 7, bytes: usize::MAX },
            Limit { count: COUNT, bytes: usize::MAX },
            Limit { count: 1_000, bytes: 8 },
            Limit { count: 0, bytes: 0 },
            Limit::NONE,
        ] {
            let first = if backwards { Range::backwards(limit) } else { Range::forwards(limit) };
            let mut next = Some(first);
            let mut found = Vec::new();
            while let Some(range) = next {
                let page = node.read(&room, &retention, range).await?;
                let most = limit.count.max(Limit::MIN_PAGE);
                holds(page.entries.len() <= most && !page.entries.is_empty(), || {
                    format!("a page of {} entries, with {limit:?}", page.entries.len())
                })?;
                let bytes =
                    page.entries.iter().map(|entry| entry.publication.size()).sum::<usize>();
                holds(bytes <= limit.bytes || page.entries.len() <= Limit::MIN_PAGE, || {
                    format!("a page of {bytes} bytes, with {limit:?}")
                })?;
                found.extend(page.entries.iter().cloned());
                let expected = (COUNT - found.len().min(COUNT)) as u64;
                equal("the number of remaining entries", page.remaining, expected)?;
                next = page.next_range();
            }
            equal(&format!("the pages with {limit:?}"), texts(&found), texts(&log))?;
        }
    }
    // From an offset on, the one of an entry included.
    log.reverse();
    let middle = log[COUNT / 2].offset;
    let forwards = node.read(&room, &retention, Range::forwards(Limit::NONE).at(middle)).await?;
    equal("the entries from an offset on", texts(&forwards.entries), texts(&log[COUNT / 2..]))?;
    let backwards = node.read(&room, &retention, Range::backwards(Limit::NONE).at(middle)).await?;
    let expected: Vec<_> = texts(&log[..=COUNT / 2]).into_iter().rev().collect();
    equal("the entries backwards from an offset", texts(&backwards.entries), expected)?;
    let beyond = Range::forwards(Limit::NONE).at(log[COUNT - 1].offset + 1_000);
    let beyond = node.read(&room, &retention, beyond).await?;
    equal("the entries beyond the top", (beyond.entries.len(), beyond.remaining), (0, 0))
}

pub(super) async fn replaced_epoch(kit: &Kit) -> Checked {
    let (first, second) = (kit.node().await, kit.node().await);
    let (room, retention) = (room("epoch"), ample());
    let positions = fill(&first, &room, &retention, 3).await?;
    let before = positions[3];
    let wrong = Epoch(before.epoch.0 ^ 1);
    let kept = second.bus.replace_epoch(&room, &retention, wrong).await?;
    equal("the top after replacing an epoch that is not there", kept, before)?;
    let (one, two) = tokio::join!(
        first.bus.replace_epoch(&room, &retention, before.epoch),
        second.bus.replace_epoch(&room, &retention, before.epoch)
    );
    let replaced = one?;
    equal("the top that the other node is told", two?, replaced)?;
    equal("the top", first.bus.top(&room, &retention).await?, replaced)?;
    if replaced == before {
        // The store cannot replace epochs.
        return Ok(());
    }
    equal("the offset", (replaced.offset, replaced.tag), (before.offset, before.tag))?;
    let found = after(&first, &room, &retention, &positions[1]).await?;
    equal("what follows a position of the former epoch", found, Err(GapReason::Epoch))?;
    let renewed = Position { epoch: replaced.epoch, ..positions[1] };
    let found = after(&first, &room, &retention, &renewed).await?;
    equal("what follows in the new epoch", found, Ok(vec!["1".into(), "2".into()]))?;
    let next = second.store_text(&room, "3", &retention).await?;
    equal("the epoch of the next publication", next.epoch, replaced.epoch)
}

pub(super) async fn removed_history(kit: &Kit) -> Checked {
    let (first, second) = (kit.node().await, kit.node().await);
    let (room, retention) = (room("removed"), ample());
    let positions = fill(&first, &room, &retention, 5).await?;
    second.bus.remove_history(&room).await?;
    let log = first.log(&room, &retention).await?;
    equal("the entries after the removal", log.entries.len(), 0)?;
    equal("the top after the removal", log.top, positions[5])?;
    let found = after(&first, &room, &retention, &positions[5]).await?;
    equal("what follows the top", found, Ok(Vec::new()))?;
    let found = after(&first, &room, &retention, &positions[2]).await?;
    equal("what follows an earlier position", found, Err(GapReason::Trimmed))?;
    first.store_text(&room, "next", &retention).await?;
    let log = second.log(&room, &retention).await?;
    equal("the entries of the room's second history", texts(&log.entries), vec!["next"])?;
    let found = after(&second, &room, &retention, &positions[2]).await?;
    equal("what follows an earlier position", found, Err(GapReason::Trimmed))?;
    // A room that never had a history.
    second
        .bus
        .remove_history(&super::room("never"))
        .await
        .map_err(|error| broken(error.to_string()))
}
