use sockeye_hub::bus::BusEvent;
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::core::{Epoch, Position, UserId};
use sockeye_hub::{Hub, JoinOptions, Recovered, SessionOptions};

use crate::gated::Gated;
use crate::support::{connect, hub, line, lines, pair};

#[tokio::test]
async fn of_publications_deliveries_recoveries_and_gaps() {
    let hub: Hub = hub().build();
    let (mut client, session) = connect(&hub).await;
    let (_other, server) = pair().await;
    let user = SessionOptions::new().user(UserId::new("ada"));
    let _second = hub.connect_with(server, (), user);
    let start = session.join("log").await.unwrap().position.unwrap();
    for number in 0..3 {
        hub.room("log").publish(number.to_string()).await.unwrap();
    }
    assert_eq!(lines(&mut client, 4).await.len(), 4);
    session.leave("log").unwrap();

    let joined = session.join_with("log", JoinOptions::new().from(start)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    assert_eq!(lines(&mut client, 4).await.len(), 4);
    session.leave("log").unwrap();

    let elsewhere = Position { epoch: Epoch(!start.epoch.0), ..start };
    let joined = session.join_with("log", JoinOptions::new().from(elsewhere)).await.unwrap();
    assert!(matches!(joined.recovery, Recovered::Gap(_)), "{joined:?}");
    assert!(line(&mut client).await.contains("gap"));

    let metrics = hub.metrics();
    assert_eq!((metrics.sessions, metrics.users), (2, 1));
    assert_eq!((metrics.rooms, metrics.memberships), (1, 1));
    assert_eq!((metrics.publications, metrics.received_publications), (3, 3));
    assert_eq!((metrics.failed_publications, metrics.deliveries), (0, 6));
    assert_eq!((metrics.recoveries, metrics.gaps, metrics.gaps_by_reason.epoch), (1, 1, 1));
    assert_eq!((metrics.fan_out_time.count, metrics.bus.publish_time.count), (3, 3));
    assert!(metrics.fan_out_time.max <= metrics.fan_out_time.total);
    assert_eq!((metrics.queued, metrics.dropped_slow, metrics.discarded), (0, 0, 0));
    assert!(metrics.bus.is_up);
}

#[tokio::test]
async fn of_what_a_slow_session_missed_even_after_its_end() {
    const COUNT: u64 = 500;
    let mut limits = OutboxLimits::default();
    limits.messages = 10;
    let hub: Hub = hub().send_queue(1024).outbox_limits(limits).build();
    let (client, session) = connect(&hub).await;
    session.join("lobby").await.unwrap();
    for _ in 0..COUNT {
        hub.room("lobby").publish("x".repeat(1024)).await.unwrap();
    }
    let before = hub.metrics();
    assert_eq!(before.deliveries, COUNT);
    assert!(before.dropped_slow > COUNT / 2, "{before:?}");
    assert!(before.queued > 0 && before.queued_bytes >= before.queued * 1024, "{before:?}");
    assert_eq!(before.discarded, 0);
    drop(session);
    drop(client);
    let after = hub.metrics();
    assert_eq!((after.sessions, after.queued, after.queued_bytes), (0, 0, 0));
    assert_eq!(after.dropped_slow, before.dropped_slow);
    assert_eq!(after.discarded, before.queued as u64);
}

#[tokio::test]
async fn of_every_delivery_to_a_session_that_is_disconnected() {
    const COUNT: u64 = 500;
    let mut limits = OutboxLimits::default();
    limits.messages = 10;
    let hub: Hub = hub().send_queue(1024).outbox_limits(limits).build();
    let (mut client, mut session) = connect(&hub).await;
    session.join("disconnect").await.unwrap();
    line(&mut client).await;
    for _ in 0..COUNT {
        hub.room("disconnect").publish("x".repeat(1024)).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut received = 0;
    let reading = async {
        while let Ok(Some(_)) = client.recv().await {
            received += 1;
        }
    };
    let serving = async { while let Ok(Some(_)) = session.recv().await {} };
    tokio::join!(reading, serving);
    drop(session);
    let metrics = hub.metrics();
    assert_eq!((metrics.sessions, metrics.queued), (0, 0));
    // Those that followed the disconnection are none.
    assert!(metrics.deliveries < COUNT, "{metrics:?}");
    let accounted = received + metrics.dropped_slow + metrics.discarded;
    assert_eq!(metrics.deliveries, accounted, "{metrics:?}");
}

#[tokio::test]
async fn of_the_link_to_the_bus() {
    let bus = Gated::default();
    let hub: Hub = hub().bus(bus.clone()).build();
    let settle = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    bus.store.send(BusEvent::Down);
    bus.store.send(BusEvent::Down);
    bus.store.send(BusEvent::Lost { events: 7 });
    settle().await;
    let down = hub.metrics().bus;
    assert_eq!((down.is_up, down.outages, down.lost_events), (false, 1, 7));
    bus.store.send(BusEvent::Up);
    settle().await;
    let up = hub.metrics().bus;
    assert_eq!((up.is_up, up.outages, up.waiting_events), (true, 1, 0));
}
