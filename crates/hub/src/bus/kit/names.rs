use std::collections::HashSet;

use super::failure::{Checked, broken, equal};
use super::live::connected;
use super::node::text;
use super::{Kit, ample, room};
use crate::bus::BusEvent;
use crate::core::RoomName;

/// Names in which some broker or encoding sees more than characters.
fn names() -> Vec<RoomName> {
    let unique = room("").as_str().trim().to_owned();
    let patterns = [
        "*",
        ">",
        "a.*",
        "a.>",
        "a.b",
        "a",
        "A",
        "*.b",
        ".",
        "..",
        "a.",
        ".a",
        "?",
        "[a]",
        "\\*",
        "%",
        "%2A",
        "{a}",
        "{",
        "}{",
        "a{b}c",
        "a b",
        " ",
        "a/b",
        "a:b",
        ":",
        "a,b",
        "'",
        "\"",
        "=",
        "#",
        "$",
        "&",
        "\u{f6}",
        "o\u{308}",
        "\u{1f41f}",
        "\u{202e}a",
        "\u{e9}\u{301}",
        "null",
        "-",
        "_",
    ];
    let mut names: Vec<_> = patterns
        .iter()
        .flat_map(|pattern| [format!("{unique}{pattern}"), format!("{pattern}{unique}")])
        .collect();
    let longest = RoomName::MAX_LENGTH - unique.len();
    names.push(format!("{unique}{}", "x".repeat(longest)));
    names.push(format!("{unique}{}", "*".repeat(longest)));
    names.iter().filter_map(|name| RoomName::new(name).ok()).collect()
}

pub(super) async fn literal_names(kit: &Kit) -> Checked {
    let (publisher, mut other) = (kit.node().await, kit.node().await);
    let (names, retention) = (names(), ample());
    for name in &names {
        other.bus.subscribe(name, None).await?;
    }
    let probe = room("probe");
    other.bus.subscribe(&probe, None).await?;
    // A broker knows of subscriptions in their order.
    connected(&publisher, &mut other, &probe, false).await?;
    while other.event_soon().await.is_some() {}
    for name in &names {
        publisher.publish_live(name, name.as_str()).await?;
    }
    // Each room once: the rooms may be delivered in any order.
    let mut missing: HashSet<&RoomName> = names.iter().collect();
    while !missing.is_empty() {
        let (found, published_to) = other.live().await?;
        equal("the room of a publication", found.as_str(), &*published_to)?;
        if !missing.remove(&found) {
            return Err(broken(format!("{found:?} received twice")));
        }
    }
    other.nothing_more().await?;

    // Each history holds its own publication only.
    for name in &names {
        other.bus.unsubscribe(name).await?;
        other.follow(name, &retention).await?;
    }
    let probe = room("probe history");
    other.follow(&probe, &retention).await?;
    connected(&publisher, &mut other, &probe, true).await?;
    while other.event_soon().await.is_some() {}
    for name in &names {
        publisher.store_text(name, name.as_str(), &retention).await?;
    }
    let mut missing: HashSet<&RoomName> = names.iter().collect();
    while !missing.is_empty() {
        match other.event().await? {
            BusEvent::Stored { room, entry, .. } => {
                equal("the room of a publication", room.as_str(), text(&entry))?;
                if !missing.remove(&room) {
                    return Err(broken(format!("{room:?} received twice")));
                }
            }
            event => return Err(broken(format!("expected a publication, received {event:?}"))),
        }
    }
    for name in &names {
        let log = other.log(name, &retention).await?;
        let texts: Vec<_> = log.entries.iter().map(text).collect();
        equal("the history of a room", texts, vec![name.as_str()])?;
    }
    // A name with a wildcard removes and unsubscribes one room.
    let Some(wildcard) = names.first() else { return Ok(()) };
    other.bus.remove_history(wildcard).await?;
    other.bus.unsubscribe(wildcard).await?;
    for name in &names[1..] {
        equal("the entries of another room", other.log(name, &retention).await?.entries.len(), 1)?;
    }
    publisher.store_text(&names[1], "again", &retention).await?;
    equal("the room of a publication", other.stored().await?.0, names[1].clone())
}
