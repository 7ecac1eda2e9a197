//! The broker restarts, or stands still for longer than a lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_hub::bus::{Bus, BusError, BusEvent};
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::core::{Publication, PublicationId};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::broker::presence::{members, nobody_leaves, nodes, publications_arrive};
use crate::nats::server::{Server, options};

with_each_server!(
    when_it_restarts_at_once_or_after_a_lease,
    when_it_stands_still_for_longer_than_a_lease,
    and_operations_fail_in_time_and_succeed_again,
    and_publications_with_ids_wait_for_it,
);

async fn when_it_restarts_at_once_or_after_a_lease(mut server: Server) {
    let nodes = nodes(server.links(3).await);
    let mut members = members(&nodes).await;
    publications_arrive(&nodes, &mut members, "before").await;
    for (down, text) in [(Duration::ZERO, "once"), (Duration::from_secs(9), "twice")] {
        server.kill().await;
        nobody_leaves(&nodes, down).await;
        server.restart().await;
        // Longer than a lease after the last node has returned.
        nobody_leaves(&nodes, Duration::from_secs(11)).await;
        publications_arrive(&nodes, &mut members, text).await;
    }
}

async fn when_it_stands_still_for_longer_than_a_lease(server: Server) {
    let nodes = nodes(server.links(2).await);
    let mut members = members(&nodes).await;
    server.signal("STOP");
    nobody_leaves(&nodes, Duration::from_secs(10)).await;
    server.signal("CONT");
    nobody_leaves(&nodes, Duration::from_secs(10)).await;
    publications_arrive(&nodes, &mut members, "on").await;
}

async fn and_operations_fail_in_time_and_succeed_again(server: Server) {
    let options = options().timeout(Duration::from_secs(1));
    let mut node = Observer::new(server.link_with(options).await, 1, 100);
    let room = room("room");
    node.store(&room, "before").await;
    node.bus.subscribe(&room, Some(&RETENTION)).await.unwrap();
    server.signal("STOP");
    let before = Instant::now();
    let failed = node.bus.top(&room, &RETENTION).await;
    assert!(matches!(failed, Err(BusError::TimedOut)), "{failed:?}");
    let publication = Arc::new(Publication::new("lost"));
    let failed = node.bus.publish(&room, publication.clone(), Some(&RETENTION)).await;
    assert!(matches!(failed, Err(BusError::TimedOut | BusError::Down)), "{failed:?}");
    node.until(|event| matches!(event, BusEvent::Down)).await;
    assert!(before.elapsed() < Duration::from_secs(6), "before the lease of the presence ends");
    let failed = node.bus.publish(&room, publication, None).await;
    assert!(matches!(failed, Err(BusError::Down)), "{failed:?}");
    server.signal("CONT");
    node.until(|event| matches!(event, BusEvent::Up)).await;
    node.store(&room, "stored").await;
    node.until(|event| match event {
        BusEvent::Stored { entry, .. } => entry.publication.message.as_text() == Some("stored"),
        _ => false,
    })
    .await;
}

async fn and_publications_with_ids_wait_for_it(mut server: Server) {
    let mut node = Observer::new(server.link().await, 1, 100);
    let room = room("room");
    node.store(&room, "before").await;
    server.kill().await;
    node.until(|event| matches!(event, BusEvent::Down)).await;
    let node = Arc::new(node);
    let mut publishing = tokio::task::JoinSet::new();
    for number in 0..30 {
        let (node, room) = (node.clone(), room.clone());
        publishing.spawn(async move {
            let id = Some(PublicationId::new(&number.to_string()));
            let publication = Arc::new(Publication { id, ..Publication::new("with id") });
            node.bus.publish(&room, publication, Some(&RETENTION)).await
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(publishing.try_join_next().is_none());
    server.restart().await;
    while let Some(published) = publishing.join_next().await {
        published.unwrap().unwrap();
    }
    let page = node.read(&room, Range::forwards(Limit::NONE)).await;
    assert_eq!(page.entries.len(), 31);
}
