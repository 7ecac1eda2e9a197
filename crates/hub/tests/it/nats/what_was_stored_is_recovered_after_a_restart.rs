use sockeye::WebSocket;
use sockeye_hub::core::Position;
use sockeye_hub::core::history::GapReason;
use sockeye_hub::{Hub, JoinOptions, Recovered, Session};

use crate::nats::server::Server;
use crate::support::{connect, hub, line};

with_each_server!(from_the_disk, from_another_node);

/// Publishes as soon as the link works.
pub(crate) async fn publish(hub: &Hub, text: &str) -> Position {
    loop {
        match hub.room("log").publish(text.to_owned()).await {
            Ok(position) => return position.unwrap(),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// Returns the outcome of a session that returns at a position.
pub(crate) async fn recovered(hub: &Hub, position: Position) -> Recovered {
    let (_client, session) = connect(hub).await;
    loop {
        let options = JoinOptions::new().from(position);
        match session.join_with("log", options).await {
            Ok(joined) => return joined.recovery,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// Reads until a line that ends with a text, and returns the lines before.
pub(crate) async fn until(client: &mut WebSocket, end: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = line(client).await;
        if line.ends_with(end) {
            return lines;
        }
        lines.push(line);
    }
}

/// Lets a session of each node join the room `log`, and returns them with the position of a
/// publication that all of them have received.
pub(crate) async fn members(nodes: &[Hub]) -> (Vec<(WebSocket, Session)>, Position) {
    let mut members = Vec::new();
    for node in nodes {
        let (mut client, session) = connect(node).await;
        session.join("log").await.unwrap();
        line(&mut client).await;
        members.push((client, session));
    }
    let seen = publish(&nodes[0], "seen").await;
    for (client, _) in &mut members {
        until(client, "seen").await;
    }
    (members, seen)
}

async fn from_the_disk(mut server: Server) {
    let node: Hub = hub().bus(server.link().await).build();
    let (mut client, session) = connect(&node).await;
    let start = session.join("log").await.unwrap().position.unwrap();
    until(&mut client, &format!("joined {}", start.offset)).await;
    let mut last = start;
    for number in 1..=50 {
        last = publish(&node, &format!("before {number}")).await;
    }
    until(&mut client, "before 50").await;
    server.kill().await;
    server.restart().await;
    // The member misses nothing, and is told of no gap.
    publish(&node, "after").await;
    assert_eq!(until(&mut client, "after").await, Vec::<String>::new());
    assert_eq!(recovered(&node, start).await, Recovered::All);
    assert_eq!(recovered(&node, last).await, Recovered::All);
    let forged = Position { tag: start.tag, ..last };
    assert_eq!(recovered(&node, forged).await, Recovered::Gap(GapReason::RolledBack));
}

async fn from_another_node(mut server: Server) {
    let nodes: [Hub; 3] = [
        hub().bus(server.link().await).build(),
        hub().bus(server.link().await).build(),
        hub().bus(server.link().await).build(),
    ];
    let (mut members, seen) = members(&nodes).await;
    // Published by one node while the others have not noticed that the broker is back.
    server.kill().await;
    server.restart().await;
    for number in 0..20 {
        publish(&nodes[number % 3], &format!("missed {number}")).await;
    }
    for (client, _) in &mut members {
        for number in 0..20 {
            let earlier = until(client, &format!("missed {number}")).await;
            assert_eq!(earlier, Vec::<String>::new());
        }
    }
    for node in &nodes {
        assert_eq!(recovered(node, seen).await, Recovered::All);
    }
}
