use std::time::Duration;

use serde_json::json;
use sockeye::Message;
use sockeye_hub::protocol::{ClientLimits, Endpoint};

use crate::centrifuge::client::Json;
use crate::centrifuge::server::{endpoint, hub};

#[tokio::test]
async fn for_malformed_commands() {
    let endpoint = endpoint();
    let cases: [Message; 7] = [
        "{".into(),
        "[]".into(),
        "\n \n".into(),
        r#"{"id":-1,"ping":{}}"#.into(),
        r#"{"id":1,"subscribe":{"channel":7}}"#.into(),
        r#"{"subscribe":{"channel":"lobby"}}"#.into(),
        Message::Binary(b"{}".as_slice().into()),
    ];
    for message in cases {
        let mut client = Json::connect(&endpoint).await;
        client.ws.send(message.clone()).await.unwrap();
        let frame = client.closed().await;
        assert_eq!(u16::from(frame.code), 3501, "{message:?}: {}", frame.reason);
    }
}

#[tokio::test]
async fn for_commands_beyond_the_limits() {
    let mut limits = ClientLimits::default();
    limits.commands = 3;
    limits.command_bytes = 100;
    let endpoint: Endpoint = Endpoint::builder(hub().build()).limits(limits).build();
    let ping = json!({ "id": 1, "ping": {} }).to_string();

    let mut client = Json::connect(&endpoint).await;
    client.ws.send([&*ping; 3].join("\n")).await.unwrap();
    client.ws.send([&*ping; 4].join("\n")).await.unwrap();
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3501, "too many commands in a message"));

    let mut client = Json::connect(&endpoint).await;
    let long = json!({ "id": 1, "publish": { "channel": "lobby", "data": "x".repeat(100) } });
    client.send(&long).await;
    assert_eq!(u16::from(client.closed().await.code), 1009);
}

#[tokio::test]
async fn when_it_does_not_answer_a_ping() {
    let endpoint: Endpoint = Endpoint::builder(hub().build())
        .ping(Duration::from_millis(1_500), Duration::from_secs(1))
        .build();
    let (mut client, reply) = Json::connect_with(&endpoint, json!({})).await;
    assert_eq!((&reply["ping"], &reply["pong"]), (&json!(1), &json!(true)));
    for _ in 0..2 {
        assert_eq!(client.next().await, json!({}));
        client.send(&json!({})).await;
    }
    assert_eq!(client.next().await, json!({}));
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3012, "no pong"));

    let silent: Endpoint =
        Endpoint::builder(hub().build()).ping(Duration::ZERO, Duration::ZERO).build();
    let (_client, reply) = Json::connect_with(&silent, json!({})).await;
    assert_eq!((reply.get("ping"), reply.get("pong")), (None, None));
}

#[tokio::test]
async fn but_not_for_commands_that_fail() {
    let mut client = Json::connect(&endpoint()).await;
    let long = "x".repeat(256);
    assert_eq!(client.refused("subscribe", json!({ "channel": "" })).await, 107);
    assert_eq!(client.refused("subscribe", json!({ "channel": long })).await, 107);
    assert_eq!(client.refused("subscribe", json!({ "channel": "a", "type": 4 })).await, 108);
    let tf = json!({ "op": "nand" });
    assert_eq!(client.refused("subscribe", json!({ "channel": "a", "tf": tf })).await, 107);
    assert_eq!(client.refused("publish", json!({ "channel": "a" })).await, 107);
    assert_eq!(client.refused("history", json!({ "channel": "live" })).await, 108);
    assert_eq!(client.refused("presence", json!({ "channel": "bare" })).await, 108);
    assert_eq!(client.refused("rpc", json!({ "method": "x" })).await, 108);
    assert_eq!(client.refused("refresh", json!({ "token": "x" })).await, 108);
    assert_eq!(client.refused("sub_refresh", json!({ "channel": "a", "token": "x" })).await, 108);
    assert_eq!(client.refused("unknown", json!({})).await, 104);
    client.subscribe("a").await;
    assert_eq!(client.refused("subscribe", json!({ "channel": "a" })).await, 105);
    client.ask("unsubscribe", json!({ "channel": "a" })).await;
    client.subscribe("a").await;
}

#[tokio::test]
async fn and_clients_that_join_too_many_rooms_are_refused() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    for number in 0..128 {
        client.subscribe(&number.to_string()).await;
    }
    assert_eq!(client.refused("subscribe", json!({ "channel": "128" })).await, 106);
}
