//! Sessions in a room with presence on several nodes, which an outage of the broker must not end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sockeye::WebSocket;
use sockeye_hub::bus::Bus;
use sockeye_hub::core::RoomName;
use sockeye_hub::core::presence::PresenceConfig;
use sockeye_hub::{Hub, JoinOptions, Session};

use crate::support::{connect, hub, line};

/// A node, and the number of times that a room was vacated.
pub(crate) struct Node {
    hub: Hub,
    vacated: Arc<AtomicUsize>,
}

/// Returns nodes with these links.
pub(crate) fn nodes<B: Bus + 'static>(links: impl IntoIterator<Item = B>) -> Vec<Node> {
    let mut nodes = Vec::new();
    for link in links {
        let vacated = Arc::<AtomicUsize>::default();
        let counted = vacated.clone();
        let config =
            PresenceConfig { grace: Duration::from_millis(1), ..PresenceConfig::default() };
        let hub = hub()
            .bus(link)
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
pub(crate) async fn members(nodes: &[Node]) -> Vec<(WebSocket, Session)> {
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
pub(crate) async fn nobody_leaves(nodes: &[Node], time: Duration) {
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
pub(crate) async fn publications_arrive(
    nodes: &[Node],
    members: &mut [(WebSocket, Session)],
    text: &str,
) {
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
