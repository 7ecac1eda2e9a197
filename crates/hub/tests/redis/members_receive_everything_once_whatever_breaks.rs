//! Connections that the broker ends, and a broker that stands still, while publishers and members
//! on three nodes go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_hub::core::{Publication, PublicationId};
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::server::Server;
use crate::support::{connect, hub, line, nothing_more};

/// The number of nodes, each of which has one publisher.
const PUBLISHERS: usize = 3;
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

/// Ends connections and stops the broker until told otherwise.
async fn disturb(server: Arc<Server>, over: Arc<AtomicBool>) {
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        // A node waits longer and longer for the next link, as no link lasts.
        tokio::time::sleep(Duration::from_secs(1)).await;
        round += 1;
        if round % 5 == 0 {
            server.signal("STOP");
            tokio::time::sleep(Duration::from_secs(4)).await;
            server.signal("CONT");
        }
        server.end_connections().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_in_the_same_order() {
    let Some(server) = Server::start().await else { return };
    let server = Arc::new(server);
    let mut nodes: Vec<Hub> = Vec::new();
    for _ in 0..PUBLISHERS {
        nodes.push(hub().bus(server.link().await).build());
    }
    let mut members = Vec::new();
    for number in 0..9 {
        let (mut client, session) = connect(&nodes[number % nodes.len()]).await;
        session.join("log").await.unwrap();
        assert_eq!(line(&mut client).await, "log joined 0");
        members.push((client, session));
    }
    let start = {
        let (_client, session) = connect(&nodes[0]).await;
        session.join("log").await.unwrap().position.unwrap()
    };
    let over = Arc::new(AtomicBool::new(false));
    let disturbing = tokio::spawn(disturb(server.clone(), over.clone()));
    let mut publishing = tokio::task::JoinSet::new();
    for (publisher, node) in nodes.iter().enumerate() {
        publishing.spawn(publish(node.clone(), publisher));
    }
    let mut receiving = tokio::task::JoinSet::new();
    for (mut client, session) in members {
        receiving.spawn(async move {
            let mut lines = Vec::new();
            for number in 1..=PUBLISHERS * COUNT {
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
    // A client that missed all of it.
    let (mut client, session) = connect(&nodes[1]).await;
    let joined = session.join_with("log", JoinOptions::new().from(start)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    assert_eq!(line(&mut client).await, "log joined 0 recovered");
    for (number, text) in first.unwrap().iter().enumerate() {
        assert_eq!(line(&mut client).await, format!("log {} {text}", number + 1));
    }
}
