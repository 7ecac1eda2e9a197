//! Servers with the same `--bus` are one hub: their clients meet in the same rooms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use sockeye::{CloseCode, Shutdown};

use crate::program::Server;
use crate::program::broker::Broker;
use crate::program::hub::HubClient;
use crate::the_server_api_needs_its_key::{KEY, server_with_key};

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

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread")]
async fn three_by_redis() {
    if let Some(broker) = Broker::redis() {
        three_are_one_hub(&broker).await;
    }
}

#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread")]
async fn three_by_nats() {
    if let Some(broker) = Broker::nats() {
        three_are_one_hub(&broker).await;
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

async fn three_are_one_hub(broker: &Broker) {
    let bus = ["--bus", &broker.url];
    let servers = [server_with_key(&bus), Server::start(&bus), Server::start(&bus)];
    let (mut ada, _) = member(&servers[0]).await;
    let (mut grace, _) = member(&servers[1]).await;
    let (mut linus, session_of_linus) = member(&servers[2]).await;
    for client in [&mut ada, &mut grace, &mut linus] {
        wait_for_members(client, 3).await;
    }
    // What a client publishes through any server reaches the clients of all, in one order.
    ada.request("publish", json!({ "room": "lobby", "data": "ada" })).await;
    grace.request("publish", json!({ "room": "lobby", "data": "grace" })).await;
    linus.request("publish", json!({ "room": "lobby", "data": "linus" })).await;
    for client in [&mut ada, &mut grace, &mut linus] {
        assert_eq!(client.publications(3).await, ["ada", "grace", "linus"]);
    }

    // The API of one server disconnects a session of another.
    let (mut alan, session) = member(&servers[2]).await;
    for client in [&mut ada, &mut grace] {
        wait_for_change(client, "joined", &session).await;
    }
    let key = format!("x-api-key: {KEY}\r\n");
    let disconnect = json!({ "client": session }).to_string();
    let answer = servers[0].post("/api/disconnect", &key, &disconnect);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    while alan.ws.recv().await.unwrap().is_some() {}
    assert_eq!(u16::from(alan.ws.close_frame().unwrap().code), 3503);
    for client in [&mut ada, &mut grace] {
        wait_for_change(client, "left", &session).await;
    }

    // The session of a server that is killed leaves once, and the others go on.
    servers[2].signal("KILL");
    for client in [&mut ada, &mut grace] {
        wait_for_change(client, "left", &session_of_linus).await;
    }
    ada.request("publish", json!({ "room": "lobby", "data": "after" })).await;
    for client in [&mut ada, &mut grace] {
        wait_for_members(client, 2).await;
        loop {
            let event = client.next_event().await;
            assert!(event["presence"].get("left").is_none(), "{event}");
            if event["publication"]["data"] == "after" {
                break;
            }
        }
    }
}

/// Returns a client that is in the lobby and is told of its presence, and the id of its session.
async fn member(server: &Server) -> (HubClient, Value) {
    let (mut client, session) = HubClient::connect_with_session(server).await;
    client.join(json!({ "room": "lobby", "presence": true })).await;
    (client, session)
}

/// Waits until a client is told that a session has `joined` or `left`.
async fn wait_for_change(client: &mut HubClient, change: &str, session: &Value) {
    loop {
        let presence = client.event("presence").await;
        let members = presence[change].as_array();
        if members.is_some_and(|members| members.iter().any(|one| one["session"] == *session)) {
            return;
        }
    }
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
