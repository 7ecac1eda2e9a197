//! Servers with the same `--bus` are one hub: their clients meet in the same rooms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use sockeye::{CloseCode, Shutdown};

use crate::program::Server;
use crate::program::broker::Broker;
use crate::program::hub::HubClient;

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread")]
async fn by_redis() {
    if let Some(broker) = Broker::redis() {
        are_one_hub(&broker, "Redis").await;
    }
}

#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread")]
async fn by_nats() {
    if let Some(broker) = Broker::nats() {
        are_one_hub(&broker, "NATS").await;
    }
}

async fn are_one_hub(broker: &Broker, kind: &str) {
    let first = Server::start(&["--bus", &broker.url]);
    let second = Server::start(&["--bus", &broker.url]);
    let mut ada = HubClient::connect(&first).await;
    let mut grace = HubClient::connect(&second).await;
    let position = ada.join(json!({ "room": "lobby" })).await["position"].take();
    grace.join(json!({ "room": "lobby" })).await;

    ada.request("publish", json!({ "room": "lobby", "data": 1 })).await;
    grace.request("publish", json!({ "room": "lobby", "data": 2 })).await;
    for client in [&mut ada, &mut grace] {
        assert_eq!(client.publications(2).await, [1, 2]);
        wait_for_members(client, 2).await;
    }
    let overview = overview_of_nodes(&second, 2).await;
    assert_eq!(overview["bus"], kind, "{overview}");
    assert_eq!(overview["rooms"][0], json!({ "name": "lobby", "sessions": 2, "users": 0 }));

    // A server that stops sends its clients to the others, where they recover.
    first.signal("TERM");
    while ada.ws.recv().await.unwrap().is_some() {}
    let frame = ada.ws.close_frame().unwrap();
    assert_eq!(frame.code, CloseCode::SERVICE_RESTART);
    assert!(Shutdown::retry_hint(frame).is_some_and(|hint| hint <= Duration::from_secs(1)));
    let mut ada = HubClient::connect(&second).await;
    let joined = ada.join(json!({ "room": "lobby", "from": position })).await;
    assert_eq!(joined["recovered"], true, "{joined}");
    assert_eq!(ada.publications(2).await, [1, 2]);
    assert_eq!(first.wait().code(), Some(0));
    // The members of the server that stopped have left.
    wait_for_members(&mut grace, 2).await;
}

/// Polls until a room has this number of members: they are told to other servers with a delay.
async fn wait_for_members(client: &mut HubClient, count: u64) {
    while client.request("counts", json!({ "room": "lobby" })).await["sessions"] != count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Polls until the overview has this number of nodes: a busy one answers late.
async fn overview_of_nodes(server: &Server, count: usize) -> Value {
    loop {
        let answer = server.get("/hub.json");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        let overview: Value = serde_json::from_str(body).unwrap();
        if overview["nodes"].as_array().unwrap().len() == count {
            return overview;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
