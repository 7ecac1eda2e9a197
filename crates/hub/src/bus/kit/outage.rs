use std::collections::HashSet;

use super::failure::{Checked, broken, equal};
use super::node::{Node, text};
use super::{Kit, ample, room};
use crate::bus::BusEvent;
use crate::core::{Publication, PublicationId};

/// Waits until a node is told that the link was down and is up.
async fn down_and_up(node: &mut Node) -> Checked {
    let mut down = false;
    loop {
        match node.event().await? {
            BusEvent::Down if down => return Err(broken("down twice without being up")),
            BusEvent::Down => down = true,
            BusEvent::Up if down => return Ok(()),
            BusEvent::Up => return Err(broken("up without having been down")),
            _ => {}
        }
    }
}

pub(super) async fn outage(kit: &Kit) -> Checked {
    let Some(interrupt) = &kit.interrupt else { return Ok(()) };
    let (mut publisher, mut other) = (kit.node().await, kit.node().await);
    let (stored, live, retention) = (room("outage"), room("live outage"), ample());
    for node in [&publisher, &other] {
        node.follow(&stored, &retention).await?;
        node.bus.subscribe(&live, None).await?;
    }
    let before = publisher.store_text(&stored, "before", &retention).await?;
    for round in 0..3 {
        interrupt().await;
        // Published without waiting for the link: with an id, so that it may be published again.
        let id = Some(PublicationId::new(&format!("during {round}")));
        let during = Publication { id, ..Publication::new(format!("during {round}")) };
        while publisher.store(&stored, during.clone(), &retention).await.is_err() {
            tokio::time::sleep(super::QUIET).await;
        }
        for node in [&mut publisher, &mut other] {
            down_and_up(node).await?;
        }
        publisher.store(&stored, during, &retention).await?;
        publisher.store_text(&stored, format!("after {round}"), &retention).await?;
        publisher.publish_live(&live, "after").await?;
        let mut missing: HashSet<String> = [format!("after {round}"), "live after".into()].into();
        while !missing.is_empty() {
            match other.event().await? {
                BusEvent::Stored { entry, .. } => missing.remove(text(&entry)),
                BusEvent::Live { publication, .. } => {
                    missing.remove(&format!("live {}", publication.message))
                }
                event => return Err(broken(format!("not expected after the outage: {event:?}"))),
            };
        }
        while publisher.event_soon().await.is_some() {}
        while other.event_soon().await.is_some() {}
    }
    let page = other.read_from(&stored, &retention, &before).await?;
    let entries = page.after(&before).map_err(|reason| broken(format!("a gap: {reason}")))?;
    let expected: Vec<_> =
        (0..3).flat_map(|round| [format!("during {round}"), format!("after {round}")]).collect();
    let found: Vec<_> = entries.iter().map(text).collect();
    equal("the history over the outages", found, expected.iter().map(|text| &**text).collect())
}
