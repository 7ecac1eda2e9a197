//! Publishers and members on three nodes, while something disturbs the bus between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye::WebSocket;
use sockeye_hub::Hub;
use sockeye_hub::core::{Position, Publication, PublicationId};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{connect, line, nothing_more};

/// The number of nodes, each of which has one publisher.
pub(crate) const PUBLISHERS: usize = 3;
const COUNT: usize = 400;

/// Publishes numbers, each with an id, and again until it is acknowledged.
async fn publish(hub: Hub, publisher: usize) {
    for number in 0..COUNT {
        let text = format!("{publisher} {number}");
        let id = Some(PublicationId::new(&text));
        let publication = Publication { id, ..Publication::new(text) };
        while hub.room("log").publish_with(publication.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Publishes to the room `log`, whose top is at `empty`, while the task of `disturb` runs, which
/// ends once its flag is set. Checks that all members receive everything once and in one order.
/// Returns the position of the empty room, and the texts in their order.
pub(crate) async fn receive_everything_once(
    nodes: &[Hub],
    empty: usize,
    disturb: impl FnOnce(Arc<AtomicBool>) -> JoinHandle<()>,
) -> (Position, Vec<String>) {
    let mut members = Vec::new();
    for number in 0..9 {
        let (mut client, session) = connect(&nodes[number % nodes.len()]).await;
        session.join("log").await.unwrap();
        assert_eq!(line(&mut client).await, format!("log joined {empty}"));
        members.push((client, session));
    }
    let start = {
        let (_client, session) = connect(&nodes[0]).await;
        session.join("log").await.unwrap().position.unwrap()
    };
    let over = Arc::new(AtomicBool::new(false));
    let disturbing = disturb(over.clone());
    let mut publishing = JoinSet::new();
    for (publisher, node) in nodes.iter().enumerate() {
        publishing.spawn(publish(node.clone(), publisher));
    }
    let mut receiving = JoinSet::new();
    for (mut client, session) in members {
        receiving.spawn(async move {
            let mut lines = Vec::new();
            for number in empty + 1..=empty + PUBLISHERS * COUNT {
                let line = line(&mut client).await;
                let text = line.strip_prefix(&format!("log {number} "));
                lines.push(text.unwrap_or_else(|| panic!("{line} is not {number}")).to_owned());
            }
            (lines, client, session)
        });
    }
    while let Some(published) = publishing.join_next().await {
        published.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    disturbing.await.unwrap();
    let mut first: Option<Vec<String>> = None;
    while let Some(received) = receiving.join_next().await {
        let (lines, mut client, session) = received.unwrap();
        nothing_more(&mut client, &session).await;
        for publisher in 0..PUBLISHERS {
            let prefix = format!("{publisher} ");
            let own = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
            let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
            assert_eq!(own.collect::<Vec<_>>(), expected);
        }
        assert_eq!(first.get_or_insert_with(|| lines.clone()), &lines, "one order for all");
    }
    (start, first.unwrap())
}

/// Checks that a client that has joined from the position of the empty room receives all texts.
pub(crate) async fn recovers_everything(client: &mut WebSocket, empty: usize, texts: &[String]) {
    assert_eq!(line(client).await, format!("log joined {empty} recovered"));
    for (number, text) in (empty + 1..).zip(texts) {
        assert_eq!(line(client).await, format!("log {number} {text}"));
    }
}
