use std::sync::Arc;

use bytes::Bytes;
use sockeye::Message;

use super::failure::{Checked, broken, equal, holds};
use super::node::{text, texts};
use super::{Kit, ample, room};
use crate::bus::BusEvent;
use crate::core::history::{Limit, Range};
use crate::core::{NodeId, Position, Publication, PublicationId, SessionId, UserId};

pub(super) async fn stored_publications(kit: &Kit) -> Checked {
    let (mut publisher, mut other) = (kit.node().await, kit.node().await);
    let (room, retention) = (room("stored"), ample());
    let start = publisher.follow(&room, &retention).await?;
    equal("the top that another node is told", other.follow(&room, &retention).await?, start)?;
    let mut positions = Vec::new();
    for number in 0..50 {
        positions.push(publisher.store_text(&room, number.to_string(), &retention).await?);
    }
    for node in [&mut publisher, &mut other] {
        for (number, position) in positions.iter().enumerate() {
            let (found, epoch, entry) = node.stored().await?;
            equal("the room of an event", found, room.clone())?;
            equal("the text", text(&entry), &*number.to_string())?;
            equal("the position of an event", entry.position(epoch), *position)?;
        }
        node.nothing_more().await?;
        let top = node.bus.top(&room, &retention).await?;
        equal("the top", Some(&top), positions.last())?;
    }
    Ok(())
}

pub(super) async fn one_order(kit: &Kit) -> Checked {
    const PUBLISHERS: usize = 3;
    const COUNT: usize = 100;

    let (room, retention) = (room("order"), ample());
    let mut observer = kit.node().await;
    let start = observer.follow(&room, &retention).await?;
    let mut publishing = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (node, room) = (kit.node().await, room.clone());
        publishing.spawn(async move {
            let mut positions = Vec::new();
            for number in 0..COUNT {
                let text = format!("{publisher} {number}");
                positions.push((node.store_text(&room, &*text, &retention).await?, text));
            }
            Checked::Ok((node, positions))
        });
    }
    let mut nodes = Vec::new();
    let mut positions: Vec<(Position, String)> = Vec::new();
    while let Some(published) = publishing.join_next().await {
        let (node, published) = published.map_err(|error| broken(error.to_string()))??;
        nodes.push(node);
        positions.extend(published);
    }
    let page = observer.log(&room, &retention).await?;
    equal("the number of entries", page.entries.len(), PUBLISHERS * COUNT)?;
    match page.after(&start) {
        Ok(entries) => equal("the entries after the start", entries.len(), page.entries.len())?,
        Err(reason) => return Err(broken(format!("the start is not proven: {reason}"))),
    }
    for publisher in 0..PUBLISHERS {
        let prefix = format!("{publisher} ");
        let own = page.entries.iter().map(text).filter(|text| text.starts_with(&prefix));
        let expected: Vec<_> = (0..COUNT).map(|number| format!("{prefix}{number}")).collect();
        equal(
            "the order of a publisher",
            own.collect::<Vec<_>>(),
            expected.iter().map(|text| &**text).collect(),
        )?;
    }
    for (position, expected) in &positions {
        let entry = page.entries.iter().find(|entry| entry.is_at(position));
        equal("the entry at a publisher's position", entry.map(text), Some(&**expected))?;
    }
    for expected in &page.entries {
        let (_, epoch, entry) = observer.stored().await?;
        equal("the epoch", epoch, page.top.epoch)?;
        equal(
            "the order of events",
            (entry.offset, text(&entry)),
            (expected.offset, text(expected)),
        )?;
    }
    for node in nodes {
        let other = node.log(&room, &retention).await?;
        equal("the history that another node reads", texts(&other.entries), texts(&page.entries))?;
    }
    Ok(())
}

pub(super) async fn fields(kit: &Kit) -> Checked {
    let (publisher, mut other) = (kit.node().await, kit.node().await);
    let retention = ample();
    let (stored, live) = (room("fields"), room("live fields"));
    other.follow(&stored, &retention).await?;
    other.bus.subscribe(&live, None).await?;
    let id = Some(PublicationId::new("an id: \u{1f41f} * \n"));
    let publisher_session = Some(SessionId { node: NodeId(u64::MAX), number: 3 });
    let tags: Vec<(Box<str>, Box<str>)> =
        vec![("level".into(), "9".into()), ("name".into(), "\u{f6}".into())];
    let user = Some(UserId::new("ada"));
    let every_byte: Vec<u8> = (0..=255).collect();
    let publications = [
        Publication::new(""),
        Publication::new("text \u{1f41f}\r\n\0"),
        Publication::new(Message::Binary(Bytes::new())),
        Publication::new(Message::Binary(every_byte.repeat(1_000).into())),
        Publication { publisher: publisher_session, ..Publication::new("with a publisher") },
        Publication { user: user.clone(), ..Publication::new("with a user") },
        Publication { id, publisher: publisher_session, user, tags, message: "with all".into() },
    ];
    for publication in &publications {
        publisher.store(&stored, publication.clone(), &retention).await?;
        let (_, _, entry) = other.stored().await?;
        equal("a stored publication", &*entry.publication, publication)?;
        publisher.bus.publish(&live, Arc::new(publication.clone()), None).await?;
        match other.event().await? {
            BusEvent::Live { publication: found, .. } => {
                equal("a publication without history", &*found, publication)?;
            }
            event => {
                return Err(broken(format!("expected a live publication, received {event:?}")));
            }
        }
    }
    let log = other.log(&stored, &retention).await?;
    for (entry, publication) in log.entries.iter().zip(&publications) {
        equal("a publication in the history", &*entry.publication, publication)?;
    }
    Ok(())
}

pub(super) async fn known_ids(kit: &Kit) -> Checked {
    let (mut first, second) = (kit.node().await, kit.node().await);
    let (room, other_room, retention) = (room("ids"), room("other ids"), ample());
    first.follow(&room, &retention).await?;
    let with_id = |id: &str, text: &str| Publication {
        id: Some(PublicationId::new(id)),
        ..Publication::new(text)
    };
    let position = first.store(&room, with_id("a", "first"), &retention).await?;
    let between = first.store(&room, with_id("b", "between"), &retention).await?;
    for node in [&first, &second] {
        for text in ["first", "another text"] {
            let again = node.store(&room, with_id("a", text), &retention).await?;
            equal("the position of a known id", again, position)?;
        }
    }
    let elsewhere = second.store(&other_room, with_id("a", "elsewhere"), &retention).await?;
    holds(elsewhere.epoch != position.epoch || elsewhere != position, || {
        "an id of another room was taken for known".to_owned()
    })?;
    // Both nodes at the same time.
    let (at_first, at_second) = tokio::join!(
        first.store(&room, with_id("c", "both"), &retention),
        second.store(&room, with_id("c", "both"), &retention)
    );
    let both = at_first?;
    equal("the position of an id that two nodes publish", at_second?, both)?;
    let page = first.read(&room, &retention, Range::forwards(Limit::NONE)).await?;
    equal("the history", texts(&page.entries), vec!["first", "between", "both"])?;
    equal("the top", page.top, both)?;
    holds(between.offset > position.offset && both.offset > between.offset, || {
        "offsets do not grow".to_owned()
    })?;
    let other = second.log(&other_room, &retention).await?;
    equal("the history of the other room", texts(&other.entries), vec!["elsewhere"])?;
    for expected in ["first", "between", "both"] {
        let (_, _, entry) = first.stored().await?;
        equal("the events", text(&entry), expected)?;
    }
    first.nothing_more().await
}
