use std::time::Duration;

use sockeye_hub::bus::Local;
use sockeye_hub::core::history::{GapReason, Limit, Range, Retention};
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::core::{Epoch, Position, Publication, PublicationId};
use sockeye_hub::{Hub, HubError, JoinOptions, Recovered, RoomOptions};

use crate::support::{Lines, connect, hub, line, lines, nothing_more};

async fn publish(hub: &Hub, room: &str, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        hub.room(room).publish(number.to_string()).await.unwrap();
        // The bus in memory never makes a publisher wait.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn exactly_and_before_what_is_published_later() {
    let bus = Local::new();
    let [first, second]: [Hub; 2] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    let (mut client, session) = connect(&first).await;
    let joined = session.join("log").await.unwrap();
    let start = joined.position.unwrap();
    assert_eq!(start.offset, 0);
    publish(&second, "log", 1..=3).await;
    assert_eq!(line(&mut client).await, "log joined 0");
    assert_eq!(lines(&mut client, 3).await, ["log 1 1", "log 2 2", "log 3 3"]);
    drop(session);
    publish(&first, "log", 4..=1000).await;

    // On the other node, while more is published.
    let position = Position { offset: 0, ..start };
    let (mut client, session) = connect(&second).await;
    let publisher = first.clone();
    let more = tokio::spawn(async move { publish(&publisher, "log", 1001..=2000).await });
    let joined = session.join_with("log", JoinOptions::new().from(position)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    assert_eq!(joined.position, Some(position));
    assert_eq!(line(&mut client).await, "log joined 0 recovered");
    for number in 1..=2000 {
        assert_eq!(line(&mut client).await, format!("log {number} {number}"));
    }
    more.await.unwrap();
    nothing_more(&mut client, &session).await;
}

#[tokio::test]
async fn from_the_current_position_without_a_message() {
    let hub: Hub = hub().build();
    publish(&hub, "log", 1..=5).await;
    let (mut client, session) = connect(&hub).await;
    let position = session.join("log").await.unwrap().position.unwrap();
    assert_eq!(position.offset, 5);
    session.leave("log").unwrap();
    let joined = session.join_with("log", JoinOptions::new().from(position)).await.unwrap();
    assert_eq!((joined.recovery, joined.position), (Recovered::All, Some(position)));
    assert_eq!(lines(&mut client, 2).await, ["log joined 5", "log joined 5 recovered"]);
    publish(&hub, "log", 6..=6).await;
    assert_eq!(line(&mut client).await, "log 6 6");
}

#[tokio::test]
async fn or_is_told_the_reason_why_it_cannot() {
    let retention = Retention { count: 10, ..Retention::default() };
    let hub: Hub = Hub::builder()
        .encoder(Lines)
        .rooms(move |_| RoomOptions::new().history(retention))
        .recovery_limit(5)
        .build();
    let (_client, session) = connect(&hub).await;
    let start = session.join("log").await.unwrap().position.unwrap();
    publish(&hub, "log", 1..=30).await;
    let page = hub.room("log").history(Range::forwards(Limit::NONE)).await.unwrap();
    let entry = &page.entries[2];
    let retained = entry.position(page.top.epoch);
    let cases = [
        (start, GapReason::Trimmed),
        (Position { epoch: Epoch(1), ..retained }, GapReason::Epoch),
        (Position { tag: start.tag, ..retained }, GapReason::RolledBack),
        (Position { offset: 31, ..retained }, GapReason::RolledBack),
        (retained, GapReason::Limit),
    ];
    for (position, reason) in cases {
        let (mut client, session) = connect(&hub).await;
        let joined = session.join_with("log", JoinOptions::new().from(position)).await.unwrap();
        assert_eq!(joined.recovery, Recovered::Gap(reason));
        assert_eq!(joined.position.map(|position| position.offset), Some(30));
        assert_eq!(line(&mut client).await, format!("log joined 30 gap {reason}"));
        nothing_more(&mut client, &session).await;
    }
    let (mut client, session) = connect(&hub).await;
    session.join("log").await.unwrap();
    publish(&hub, "log", 31..=31).await;
    assert_eq!(lines(&mut client, 2).await, ["log joined 30", "log 31 31"]);
}

#[tokio::test]
async fn and_is_told_at_once_although_its_outbox_is_full() {
    let mut limits = OutboxLimits::default();
    limits.bytes = 64 * 1024;
    let hub: Hub = hub().send_queue(16 * 1024).outbox_limits(limits).build();
    // Does not read.
    let (_client, session) = connect(&hub).await;
    session.join("lobby").await.unwrap();
    for _ in 0..500 {
        hub.room("lobby").publish("x".repeat(1024)).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(session.metrics().queued_bytes > 60 * 1024);
    let options = JoinOptions::new().from(Position::start(Epoch(1)));
    let join = tokio::time::timeout(Duration::from_secs(20), session.join_with("log", options));
    let joined = join.await.expect("the outcome does not wait for the client").unwrap();
    assert_eq!(joined.recovery, Recovered::Gap(GapReason::Epoch));
}

#[tokio::test]
async fn unless_the_room_has_no_history() {
    let hub: Hub = hub().build();
    let (_client, session) = connect(&hub).await;
    let options = JoinOptions::new().from(Position::start(Epoch(1)));
    assert!(matches!(session.join_with("lobby", options).await, Err(HubError::NoHistory(_))));
    let read = hub.room("lobby").history(Range::forwards(Limit::NONE)).await;
    assert!(matches!(read, Err(HubError::NoHistory(_))));
}

#[tokio::test]
async fn and_a_publication_with_a_known_id_is_stored_once() {
    let bus = Local::new();
    let [first, second]: [Hub; 2] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    let id = Some(PublicationId::new("one"));
    let publication = Publication { id, ..Publication::new("hello") };
    let position = first.room("log").publish_with(publication.clone()).await.unwrap();
    assert!(position.is_some());
    assert_eq!(second.room("log").publish_with(publication).await.unwrap(), position);
    let page = first.room("log").history(Range::backwards(Limit::NONE)).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    first.room("log").remove_history().await.unwrap();
    let page = first.room("log").history(Range::backwards(Limit::NONE)).await.unwrap();
    assert_eq!((page.entries.len(), page.top.offset), (0, 1));
}
