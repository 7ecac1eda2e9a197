//! The broker restarts, or stands still for longer than a lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_hub::bus::{Bus, BusError, BusEvent};
use sockeye_hub::core::Publication;

use crate::broker::observer::{Observer, room};
use crate::broker::presence::{members, nobody_leaves, nodes, publications_arrive};
use crate::redis::server::Server;

#[tokio::test]
async fn when_it_restarts_at_once_or_after_a_lease() {
    let Some(mut server) = Server::start().await else { return };
    let nodes = nodes(server.links(3).await);
    let mut members = members(&nodes).await;
    publications_arrive(&nodes, &mut members, "before").await;
    server.command::<String>("SAVE").await;
    for (down, text) in [(Duration::ZERO, "once"), (Duration::from_secs(9), "twice")] {
        server.kill().await;
        nobody_leaves(&nodes, down).await;
        server.restart().await;
        // Longer than a lease after the last node has returned.
        nobody_leaves(&nodes, Duration::from_secs(11)).await;
        publications_arrive(&nodes, &mut members, text).await;
        server.command::<String>("SAVE").await;
    }
}

#[tokio::test]
async fn when_it_stands_still_for_longer_than_a_lease() {
    let Some(server) = Server::start().await else { return };
    let nodes = nodes(server.links(2).await);
    let mut members = members(&nodes).await;
    server.signal("STOP");
    nobody_leaves(&nodes, Duration::from_secs(10)).await;
    server.signal("CONT");
    nobody_leaves(&nodes, Duration::from_secs(10)).await;
    publications_arrive(&nodes, &mut members, "on").await;
}

#[tokio::test]
async fn and_operations_fail_in_time_and_succeed_again() {
    let Some(server) = Server::start().await else { return };
    let options = sockeye_hub::bus::redis::RedisOptions::new().timeout(Duration::from_secs(1));
    let mut node = Observer::new(server.link_with(options).await, 1, 100);
    let room = room("room");
    node.bus.subscribe(&room, None).await.unwrap();
    server.signal("STOP");
    let publication = Arc::new(Publication::new("lost"));
    let before = Instant::now();
    let failed = node.bus.publish(&room, publication.clone(), None).await;
    assert!(matches!(failed, Err(BusError::TimedOut)), "{failed:?}");
    node.until(|event| matches!(event, BusEvent::Down)).await;
    assert!(before.elapsed() < Duration::from_secs(6), "before the lease of the presence ends");
    let failed = node.bus.publish(&room, publication, None).await;
    assert!(matches!(failed, Err(BusError::Down)), "{failed:?}");
    server.signal("CONT");
    node.until(|event| matches!(event, BusEvent::Up)).await;
    node.store(&room, "stored").await;
    node.until(|event| matches!(event, BusEvent::Stored { .. })).await;
}

#[tokio::test]
async fn and_beyond_the_bounds_operations_fail_at_once_while_the_link_is_down() {
    let Some(mut server) = Server::start().await else { return };
    let options = sockeye_hub::bus::redis::RedisOptions::new().max_requests(10, 1 << 20);
    let mut node = Observer::new(server.link_with(options).await, 1, 100);
    let room = room("room");
    node.store(&room, "before").await;
    server.kill().await;
    node.until(|event| matches!(event, BusEvent::Down)).await;
    let node = Arc::new(node);
    let mut publishing = tokio::task::JoinSet::new();
    for number in 0..30 {
        let (node, room) = (node.clone(), room.clone());
        publishing.spawn(async move {
            let publication = Arc::new(Publication::new(number.to_string()));
            node.bus.publish(&room, publication, Some(&crate::broker::observer::RETENTION)).await
        });
    }
    // Those beyond the bound of ten fail while the server is still away.
    for _ in 0..20 {
        let failed = publishing.join_next().await.unwrap().unwrap();
        assert!(matches!(failed, Err(BusError::Down)), "{failed:?}");
    }
    server.restart().await;
    while let Some(published) = publishing.join_next().await {
        published.unwrap().unwrap();
    }
}

/// Counts in thousands, so that the test also runs without optimisation: the batches are the same.
#[tokio::test]
async fn and_all_rooms_are_subscribed_again() {
    const ROOMS: usize = 20_000;

    let Some(server) = Server::start().await else { return };
    let mut node = Observer::new(server.link().await, 1, 2 * ROOMS);
    let publisher = Observer::new(server.link().await, 2, 10);
    let node_bus = Arc::new(node.bus);
    let mut subscribing = tokio::task::JoinSet::new();
    for worker in 0..100 {
        let bus = node_bus.clone();
        subscribing.spawn(async move {
            for number in (worker..ROOMS).step_by(100) {
                bus.subscribe(&room(&format!("room {number}")), None).await.unwrap();
            }
        });
    }
    while let Some(subscribed) = subscribing.join_next().await {
        subscribed.unwrap();
    }
    server.end_connections().await;
    let up = async {
        loop {
            if matches!(node.events.recv().await, Some(BusEvent::Up)) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), up).await.expect("the link is restored");
    for number in [0, 1, ROOMS / 2, ROOMS - 1] {
        let name = room(&format!("room {number}"));
        let publication = Arc::new(Publication::new("hello"));
        publisher.bus.publish(&name, publication, None).await.unwrap();
        let received = tokio::time::timeout(Duration::from_secs(10), node.events.recv()).await;
        match received.unwrap() {
            Some(BusEvent::Live { room, .. }) => assert_eq!(room, name),
            event => panic!("{event:?}"),
        }
    }
    let channels: Vec<String> = server.command("PUBSUB CHANNELS sockeye:r:*").await;
    assert_eq!(channels.len(), ROOMS);
}
