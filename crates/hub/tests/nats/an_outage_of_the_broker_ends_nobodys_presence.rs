//! The broker restarts, or stands still for longer than a lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sockeye::WebSocket;
use sockeye_hub::bus::{Bus, BusError, BusEvent};
use sockeye_hub::core::history::{Limit, Range};
use sockeye_hub::core::presence::PresenceConfig;
use sockeye_hub::core::{Publication, PublicationId, RoomName};
use sockeye_hub::{Hub, JoinOptions, Session};

use crate::observer::{Observer, RETENTION, room};
use crate::server::{Server, options};
use crate::support::{connect, hub, line};

with_each_server!(
    when_it_restarts_at_once_or_after_a_lease,
    when_it_stands_still_for_longer_than_a_lease,
    and_operations_fail_in_time_and_succeed_again,
    and_publications_with_ids_wait_for_it,
);

struct Node {
    hub: Hub,
    vacated: Arc<AtomicUsize>,
}

async fn nodes(server: &Server, count: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        let vacated = Arc::<AtomicUsize>::default();
        let counted = vacated.clone();
        let config =
            PresenceConfig { grace: Duration::from_millis(1), ..PresenceConfig::default() };
        let hub = hub()
            .bus(server.link().await)
            .presence(config)
            .unwrap()
            .on_vacated(move |_: &RoomName| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .build();
        nodes.push(Node { hub, vacated });
    }
    nodes
}

/// Lets a session of each node join the room `present` and the room `log`.
async fn members(nodes: &[Node]) -> Vec<(WebSocket, Session)> {
    let mut members = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let (mut client, session) = connect(&node.hub).await;
        let info = format!("member {number}");
        session.join_with("present", JoinOptions::new().info(info)).await.unwrap();
        session.join("log").await.unwrap();
        while !line(&mut client).await.starts_with("log joined") {}
        members.push((client, session));
    }
    for node in nodes {
        until_all_are_present(node, nodes.len()).await;
    }
    members
}

async fn until_all_are_present(node: &Node, count: usize) {
    while node.hub.room("present").counts().unwrap().sessions != count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Watches for `time` that every node knows all sessions.
async fn nobody_leaves(nodes: &[Node], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        for node in nodes {
            assert_eq!(node.hub.room("present").counts().unwrap().sessions, nodes.len());
            assert_eq!(node.vacated.load(Ordering::Relaxed), 0);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Checks that publications reach all members again, and that none of them was told of a leave.
async fn publications_arrive(nodes: &[Node], members: &mut [(WebSocket, Session)], text: &str) {
    nodes[0].hub.room("log").publish(text).await.unwrap();
    for (client, _) in members {
        loop {
            let line = line(client).await;
            assert!(!line.contains("-member"), "{line}");
            if line.starts_with("log") {
                assert!(line.ends_with(text), "{line}");
                break;
            }
        }
    }
}

async fn when_it_restarts_at_once_or_after_a_lease(mut server: Server) {
    let nodes = nodes(&server, 3).await;
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
    let nodes = nodes(&server, 2).await;
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
