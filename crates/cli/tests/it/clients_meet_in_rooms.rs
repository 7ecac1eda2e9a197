//! Clients of both protocols meet in the rooms of the hub, see each other, and recover what they
//! missed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use crate::program::Server;
use crate::program::hub::{CentrifugeClient, HubClient};

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_chat_and_see_each_other() {
    let server = Server::start(&[]);
    let mut ada = HubClient::connect(&server).await;
    let mut grace = HubClient::connect(&server).await;
    ada.join(json!({ "room": "lobby", "info": { "name": "Ada" } })).await;
    grace.join(json!({ "room": "lobby", "info": { "name": "Grace" } })).await;

    ada.request("publish", json!({ "room": "lobby", "data": { "text": "hello" } })).await;
    for client in [&mut ada, &mut grace] {
        assert_eq!(client.publications(1).await, [json!({ "text": "hello" })]);
    }
    let members = grace.request("members", json!({ "room": "lobby" })).await;
    let mut names: Vec<_> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["info"]["name"])
        .collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["Ada", "Grace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_returns_recovers_exactly_what_it_missed() {
    let server = Server::start(&[]);
    let mut ada = HubClient::connect(&server).await;
    let position = ada.join(json!({ "room": "lobby" })).await["position"].take();
    drop(ada);
    let mut grace = HubClient::connect(&server).await;
    for number in 1..=3 {
        grace.request("publish", json!({ "room": "lobby", "data": number })).await;
    }
    let mut ada = HubClient::connect(&server).await;
    let joined = ada.join(json!({ "room": "lobby", "from": position })).await;
    assert_eq!(joined["recovered"], true, "{joined}");
    assert_eq!(ada.publications(3).await, [1, 2, 3]);

    // A position of another server is a gap, and says why.
    let mut late = HubClient::connect(&server).await;
    let joined = late.join(json!({ "room": "lobby", "from": "5eed.42.c0de" })).await;
    assert_eq!(joined["gap"], "epoch", "{joined}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_centrifuge_are_in_the_same_rooms() {
    let server = Server::start(&[]);
    let mut ada = HubClient::connect(&server).await;
    ada.join(json!({ "room": "lobby" })).await;
    let mut grace = CentrifugeClient::connect(&server).await;
    let subscribed = grace.request("subscribe", json!({ "channel": "lobby" })).await;
    assert_eq!(subscribed["recoverable"], true, "{subscribed}");

    ada.request("publish", json!({ "room": "lobby", "data": { "from": "ada" } })).await;
    assert_eq!(grace.publication().await, json!({ "from": "ada" }));
    let data = json!({ "from": "grace" });
    grace.request("publish", json!({ "channel": "lobby", "data": data })).await;
    assert_eq!(ada.publications(2).await, [json!({ "from": "ada" }), data]);
    let presence = grace.request("presence", json!({ "channel": "lobby" })).await;
    assert_eq!(presence["presence"].as_object().unwrap().len(), 2, "{presence}");
    let history = grace.request("history", json!({ "channel": "lobby", "limit": 10 })).await;
    assert_eq!(history["publications"].as_array().unwrap().len(), 2, "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_is_spoken_by_subprotocol_and_by_the_url() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/connection/websocket", server.address);
    let by_url = sockeye::connect(&format!("{url}?format=protobuf")).await.unwrap();
    let client = sockeye::Client::new(url.as_str()).subprotocols(["centrifuge-protobuf"]);
    let by_subprotocol = client.connect().await.unwrap();
    assert_eq!(by_subprotocol.subprotocol(), Some("centrifuge-protobuf"));
    for mut ws in [by_url, by_subprotocol] {
        // The length, id 1, and an empty ConnectRequest in field 4.
        ws.send(vec![4, 0x08, 1, 0x22, 0]).await.unwrap();
        let reply = ws.recv().await.unwrap().unwrap();
        let bytes = reply.as_bytes();
        assert_eq!(reply.as_text(), None, "binary");
        // The length, and id 1.
        assert_eq!(bytes[1..3], [0x08, 1], "{bytes:?}");
    }
}
