//! The broker goes back to an older state, forgets everything, or its stream is removed.

use sockeye_hub::core::Position;
use sockeye_hub::core::history::GapReason;
use sockeye_hub::{Hub, Recovered};

use crate::nats::server::Server;
use crate::nats::what_was_stored_is_recovered_after_a_restart::{publish, recovered, until};
use crate::support::{connect, hub, line};

with_each_server!(
    after_a_restart_from_an_old_copy,
    by_a_node_that_was_connected_all_the_time,
    after_a_restart_without_a_disk,
    after_the_stream_was_removed,
    when_the_stream_was_made_again_by_another,
);

/// The stream of the rooms whose names begin with "log".
const STREAM: &str = "hub_10000-600000ms";

async fn publish_all(hub: &Hub, numbers: std::ops::RangeInclusive<u64>) -> Position {
    let mut position = None;
    for number in numbers {
        position = Some(publish(hub, &number.to_string()).await);
    }
    position.unwrap()
}

async fn after_a_restart_from_an_old_copy(mut server: Server) {
    let first: Hub = hub().bus(server.link().await).build();
    let saved = publish_all(&first, 1..=100).await;
    assert_eq!(recovered(&first, saved).await, Recovered::All);
    server.snapshot().await;
    let lost = publish_all(&first, 101..=150).await;
    assert_eq!(lost.offset, saved.offset + 50);
    drop(first);
    server.roll_back().await;

    // Another node, which has seen nothing of this. The store hands out the same offsets in the
    // same epoch, for other publications.
    let second: Hub = hub().bus(server.link().await).build();
    let position = publish_all(&second, 1001..=1050).await;
    assert_eq!((position.epoch, position.offset), (lost.epoch, lost.offset));
    assert_ne!(position.tag, lost.tag);
    assert_eq!(recovered(&second, lost).await, Recovered::Gap(GapReason::RolledBack));
    assert_eq!(recovered(&second, saved).await, Recovered::All);
    assert_eq!(recovered(&second, position).await, Recovered::All);
}

async fn by_a_node_that_was_connected_all_the_time(mut server: Server) {
    let node: Hub = hub().bus(server.link().await).build();
    let (mut client, session) = connect(&node).await;
    session.join("log").await.unwrap();
    publish_all(&node, 1..=3).await;
    until(&mut client, " 3").await;
    server.snapshot().await;
    let lost = publish_all(&node, 4..=5).await;
    assert_eq!(until(&mut client, " 5").await.len(), 1);
    server.roll_back().await;
    // The member is told once, and continues with what is published then.
    assert_eq!(line(&mut client).await, "log missed None Gap(RolledBack)");
    publish_all(&node, 6..=6).await;
    assert_eq!(until(&mut client, " 6").await, Vec::<String>::new());
    assert_eq!(recovered(&node, lost).await, Recovered::Gap(GapReason::RolledBack));
}

async fn after_a_restart_without_a_disk(mut server: Server) {
    let nodes: [Hub; 2] = [
        hub().bus(server.link_in_memory().await).build(),
        hub().bus(server.link_in_memory().await).build(),
    ];
    let mut members = Vec::new();
    for node in &nodes {
        let (mut client, session) = connect(node).await;
        session.join("log").await.unwrap();
        line(&mut client).await;
        members.push((client, session));
    }
    let lost = publish_all(&nodes[0], 1..=5).await;
    for (client, _) in &mut members {
        until(client, " 5").await;
    }
    server.kill().await;
    server.restart().await;
    for (client, _) in &mut members {
        let told = line(client).await;
        assert!(told.starts_with("log missed None Gap("), "{told}");
    }
    // Until there are as many publications as before, and more.
    publish_all(&nodes[1], 6..=20).await;
    for (client, _) in &mut members {
        let told = until(client, " 20").await;
        assert!(!told.iter().any(|line| line.contains("missed")), "{told:?}");
    }
    for node in &nodes {
        assert!(matches!(recovered(node, lost).await, Recovered::Gap(_)));
    }
}

async fn after_the_stream_was_removed(server: Server) {
    let nodes: [Hub; 2] =
        [hub().bus(server.link().await).build(), hub().bus(server.link().await).build()];
    let mut members = Vec::new();
    for node in &nodes {
        let (mut client, session) = connect(node).await;
        session.join("log").await.unwrap();
        line(&mut client).await;
        members.push((client, session));
    }
    let before = publish_all(&nodes[0], 1..=5).await;
    for (client, _) in &mut members {
        until(client, " 5").await;
    }
    let reply = server.request(&format!("$JS.API.STREAM.DELETE.{STREAM}"), "").await;
    assert!(reply.contains("\"success\":true"), "{reply}");
    // The next publication has the stream made again.
    let after = publish_all(&nodes[1], 6..=6).await;
    assert_ne!(after.epoch, before.epoch);
    for (client, _) in &mut members {
        assert_eq!(line(client).await, "log missed None Gap(Epoch)");
    }
    publish_all(&nodes[0], 7..=7).await;
    for (client, _) in &mut members {
        until(client, " 7").await;
    }
    assert_eq!(recovered(&nodes[0], before).await, Recovered::Gap(GapReason::Epoch));
    assert_eq!(recovered(&nodes[0], after).await, Recovered::All);
}

async fn when_the_stream_was_made_again_by_another(server: Server) {
    let node: Hub = hub().bus(server.link().await).build();
    let (mut client, session) = connect(&node).await;
    session.join("log").await.unwrap();
    let before = publish_all(&node, 1..=3).await;
    until(&mut client, " 3").await;
    server.request(&format!("$JS.API.STREAM.DELETE.{STREAM}"), "").await;
    // A new node makes the stream, and publishes more than there was.
    let other: Hub = hub().bus(server.link().await).build();
    publish_all(&other, 4..=20).await;
    let told = until(&mut client, " 20").await;
    let gaps: Vec<_> = told.iter().filter(|line| line.contains("missed")).collect();
    assert_eq!(gaps, ["log missed None Gap(Epoch)"], "{told:?}");
    assert_eq!(recovered(&node, before).await, Recovered::Gap(GapReason::Epoch));
}
