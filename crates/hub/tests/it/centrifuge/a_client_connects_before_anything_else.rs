use std::time::Duration;

use serde_json::json;
use sockeye_hub::protocol::{Accepted, ClientLimits, Endpoint, Refusal};

use crate::centrifuge::client::{Json, closed, open};
use crate::centrifuge::server::{endpoint, hub};

#[tokio::test]
async fn and_is_told_its_identity_and_the_time_between_pings() {
    let endpoint = endpoint();
    let (mut client, reply) = Json::connect_with(&endpoint, json!({ "name": "test" })).await;
    let session = &endpoint.hub().sessions()[0];
    let expected = json!({
        "client": session.id().to_string(),
        "version": concat!("sockeye-hub ", env!("CARGO_PKG_VERSION")),
        "ping": 25,
        "pong": true,
        "node": endpoint.hub().node().to_string(),
    });
    let mut reply = reply;
    reply.as_object_mut().unwrap().remove("subs");
    assert_eq!(reply, expected);
    client.nothing_more().await;
}

#[tokio::test]
async fn or_is_disconnected() {
    let endpoint = endpoint();
    for first in [
        json!({ "id": 1, "subscribe": { "channel": "lobby" } }),
        json!({ "connect": {} }),
        json!({}),
    ] {
        let mut client = Json::open(&endpoint).await;
        client.send(&first).await;
        let frame = client.closed().await;
        assert_eq!(u16::from(frame.code), 3501, "{first}");
        assert!(frame.reason.contains("expected a command to connect"), "{}", frame.reason);
    }
    let mut client = Json::connect(&endpoint).await;
    client.send(&json!({ "id": 9, "connect": {} })).await;
    assert_eq!(u16::from(client.closed().await.code), 3501);
}

#[tokio::test]
async fn in_time() {
    let mut limits = ClientLimits::default();
    limits.connect_timeout = Duration::from_millis(50);
    let endpoint: Endpoint = Endpoint::builder(hub().build()).limits(limits).build();
    let client = open(&endpoint, sockeye_hub::protocol::Protocol::CentrifugeJson).await;
    let frame = closed(client).await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3502, "stale"));
}

#[tokio::test]
async fn with_commands_in_the_same_message() {
    let mut client = Json::open(&endpoint()).await;
    let commands = [
        json!({ "id": 1, "connect": {} }),
        json!({ "id": 2, "subscribe": { "channel": "lobby" } }),
        json!({ "id": 3, "publish": { "channel": "lobby", "data": { "a": 1 } } }),
    ];
    client.ws.send(commands.map(|command| command.to_string()).join("\n\n")).await.unwrap();
    assert_eq!(client.next().await["id"], 1);
    assert_eq!(client.next().await["id"], 2);
    let (mut published, mut replied) = (false, false);
    for _ in 0..2 {
        let next = client.next().await;
        published |= next["push"]["pub"]["data"] == json!({ "a": 1 });
        replied |= next == json!({ "id": 3, "publish": {} });
    }
    assert!(published && replied);
}

#[tokio::test]
async fn as_the_application_decides() {
    let endpoint: Endpoint = Endpoint::builder(hub().build())
        .on_connect(async |request| match &request.data[..] {
            b"" => Err(Refusal::new(400, "who are you?")),
            b"\"panic\"" => panic!("the hook panics"),
            name => {
                let name = String::from_utf8_lossy(name);
                let user = sockeye_hub::core::UserId::new(name.trim_matches('"'));
                Ok(Accepted::new(()).user(user).data(format!("[{name},{:?}]", request.name)))
            }
        })
        .build();
    let mut client = Json::open(&endpoint).await;
    assert_eq!(client.refused("connect", json!({})).await, 400);
    assert_eq!(client.refused("connect", json!({ "data": "panic" })).await, 100);
    let reply = client.ask("connect", json!({ "data": "ada", "name": "js" })).await;
    assert_eq!(reply["data"], json!(["ada", "js"]));
    assert_eq!(endpoint.hub().sessions()[0].user().unwrap().as_str(), "ada");
}
