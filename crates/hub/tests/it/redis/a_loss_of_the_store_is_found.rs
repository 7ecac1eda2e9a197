//! Redis restarts from an old snapshot, loses everything, or has its metadata removed.

use sockeye_hub::core::Position;
use sockeye_hub::core::history::GapReason;
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::redis::server::Server;
use crate::support::{connect, hub, line, lines};

async fn publish(hub: &Hub, numbers: std::ops::RangeInclusive<u64>) -> Position {
    let mut position = None;
    for number in numbers {
        position = hub.room("log").publish(number.to_string()).await.unwrap();
    }
    position.unwrap()
}

/// Returns the outcome of a session that returns at a position.
async fn recovered(hub: &Hub, position: Position) -> Recovered {
    let (_client, session) = connect(hub).await;
    session.join_with("log", JoinOptions::new().from(position)).await.unwrap().recovery
}

#[tokio::test]
async fn after_a_restart_from_an_old_snapshot() {
    let Some(mut server) = Server::start().await else { return };
    let first: Hub = hub().bus(server.link().await).build();
    let saved = publish(&first, 1..=100).await;
    assert_eq!(recovered(&first, saved).await, Recovered::All);
    server.command::<String>("SAVE").await;
    let lost = publish(&first, 101..=150).await;
    assert_eq!(lost.offset, 150);
    drop(first);
    server.kill().await;
    server.restart().await;

    // Another node, which has seen nothing of this. The store hands out the same offsets in the
    // same epoch, for other publications.
    let second: Hub = hub().bus(server.link().await).build();
    let position = publish(&second, 1001..=1050).await;
    assert_eq!((position.epoch, position.offset), (lost.epoch, lost.offset));
    assert_ne!(position.tag, lost.tag);
    assert_eq!(recovered(&second, lost).await, Recovered::Gap(GapReason::RolledBack));
    assert_eq!(recovered(&second, saved).await, Recovered::All);
    assert_eq!(recovered(&second, position).await, Recovered::All);
}

#[tokio::test]
async fn by_a_node_that_was_connected_all_the_time() {
    let Some(mut server) = Server::start().await else { return };
    let node: Hub = hub().bus(server.link().await).build();
    let (mut client, session) = connect(&node).await;
    session.join("log").await.unwrap();
    publish(&node, 1..=3).await;
    server.command::<String>("SAVE").await;
    let lost = publish(&node, 4..=5).await;
    let expected = ["log joined 0", "log 1 1", "log 2 2", "log 3 3", "log 4 4", "log 5 5"];
    assert_eq!(lines(&mut client, 6).await, expected);
    server.kill().await;
    server.restart().await;
    // The member is told once, and continues with what is published then.
    assert_eq!(line(&mut client).await, "log missed None Gap(RolledBack)");
    let next = publish(&node, 6..=6).await;
    assert_eq!(line(&mut client).await, "log 4 6");
    // The epoch is another one, for clients that present no tags.
    assert_ne!(next.epoch, lost.epoch);
    assert_eq!(recovered(&node, lost).await, Recovered::Gap(GapReason::Epoch));
}

#[tokio::test]
async fn after_flushall() {
    let Some(server) = Server::start().await else { return };
    let nodes: [Hub; 2] =
        [hub().bus(server.link().await).build(), hub().bus(server.link().await).build()];
    let mut members = Vec::new();
    for node in &nodes {
        let (mut client, session) = connect(node).await;
        session.join("log").await.unwrap();
        assert_eq!(line(&mut client).await, "log joined 0");
        members.push((client, session));
    }
    let before = publish(&nodes[0], 1..=2).await;
    for (client, _) in &mut members {
        assert_eq!(lines(client, 2).await, ["log 1 1", "log 2 2"]);
    }
    server.command::<String>("FLUSHALL").await;
    let after = publish(&nodes[1], 3..=3).await;
    assert_eq!(after.offset, 1);
    assert_ne!(after.epoch, before.epoch);
    for (client, _) in &mut members {
        assert_eq!(line(client).await, "log missed None Gap(Epoch)");
    }
    publish(&nodes[0], 4..=4).await;
    for (client, _) in &mut members {
        assert!(line(client).await.ends_with(" 4"));
    }
    assert_eq!(recovered(&nodes[0], before).await, Recovered::Gap(GapReason::Epoch));
}

#[tokio::test]
async fn when_only_the_metadata_or_only_the_entries_are_gone() {
    let Some(server) = Server::start().await else { return };
    let node: Hub = hub().bus(server.link().await).build();
    let before = publish(&node, 1..=3).await;
    assert_eq!(server.command::<i64>("DEL sockeye:s:log").await, 1);
    let position = publish(&node, 4..=4).await;
    assert_eq!(recovered(&node, before).await, Recovered::All);
    let earlier = Position { offset: before.offset - 1, ..before };
    assert_eq!(recovered(&node, earlier).await, Recovered::Gap(GapReason::Trimmed));
    assert_eq!(server.command::<i64>("DEL sockeye:m:log").await, 1);
    let renewed = publish(&node, 5..=5).await;
    assert_eq!(renewed.offset, 1);
    assert_eq!(recovered(&node, position).await, Recovered::Gap(GapReason::Epoch));
    // Entries that contradict the metadata are dropped.
    server.command::<String>("XADD sockeye:s:log 999-1 p 0 c 0 t 0 d x").await;
    publish(&node, 6..=7).await;
    assert_eq!(recovered(&node, renewed).await, Recovered::All);
}

#[tokio::test]
async fn and_scripts_that_were_removed_are_loaded_again() {
    let Some(server) = Server::start().await else { return };
    let node: Hub = hub().bus(server.link().await).build();
    publish(&node, 1..=1).await;
    server.command::<String>("SCRIPT FLUSH").await;
    assert_eq!(publish(&node, 2..=3).await.offset, 3);
}
