use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use sockeye::Message;
use sockeye_hub::core::UserId;
use sockeye_hub::protocol::{Accepted, Endpoint, Refusal};
use sockeye_hub::{Denied, Recipients};
use tokio::sync::mpsc;

use crate::centrifuge::client::Json;
use crate::centrifuge::server::hub;

fn endpoint() -> Endpoint {
    Endpoint::builder(hub().build())
        .on_rpc(async |session, method, data| match &*method {
            "echo" => Ok(data),
            "push" => {
                session
                    .send(String::from_utf8_lossy(&data))
                    .await
                    .map_err(|_| Refusal::INTERNAL)?;
                Ok(Bytes::new())
            }
            "slow" => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Bytes::new())
            }
            "panic" => panic!("the method panics"),
            _ => Err(Refusal::METHOD_NOT_FOUND),
        })
        .build()
}

#[tokio::test]
async fn for_rpcs_which_run_beside_other_commands() {
    let mut client = Json::connect(&endpoint()).await;
    client.send(&json!({ "id": 99, "rpc": { "method": "slow" } })).await;
    let reply = client.ask("rpc", json!({ "method": "echo", "data": { "a": [1] } })).await;
    assert_eq!(reply, json!({ "data": { "a": [1] } }));
    assert_eq!(client.refused("rpc", json!({ "method": "none" })).await, 104);
    assert_eq!(client.refused("rpc", json!({ "method": "panic" })).await, 100);
    assert_eq!(client.ask("rpc", json!({ "method": "echo" })).await, json!({}));
}

#[tokio::test]
async fn and_sends_messages_beside_publications() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    client.ask("rpc", json!({ "method": "push", "data": "hello" })).await;
    assert_eq!(client.push().await, json!({ "message": { "data": "hello" } }));
    endpoint.hub().send_to(Recipients::All, "plain text").await.unwrap();
    assert_eq!(client.push().await, json!({ "message": { "data": "plain text" } }));
    // JSON of several lines stays one reply.
    endpoint.hub().send_to(Recipients::All, "{\n  \"a\":\r\n1}").await.unwrap();
    assert_eq!(client.push().await, json!({ "message": { "data": { "a": 1 } } }));
    // JSON cannot carry bytes.
    let bytes = Message::Binary(b"\xff".as_slice().into());
    endpoint.hub().send_to(Recipients::All, bytes).await.unwrap();
    let disconnect = json!({ "code": 3506, "reason": "inappropriate protocol" });
    assert_eq!(client.push().await, json!({ "disconnect": disconnect }));
}

#[tokio::test]
async fn for_messages_of_a_client() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let endpoint: Endpoint = Endpoint::builder(hub().build())
        .on_message(move |_, message| drop(sender.send(message.to_string())))
        .build();
    let mut client = Json::connect(&endpoint).await;
    client.send(&json!({ "send": { "data": { "typing": true } } })).await;
    assert_eq!(received.recv().await.unwrap(), r#"{"typing":true}"#);
    client.nothing_more().await;
}

#[tokio::test]
async fn before_a_client_joins_and_publishes() {
    let deny = |allowed: bool| if allowed { Ok(()) } else { Err(Denied::new("not here")) };
    let hub = hub()
        .authorize_join(move |_, room| ready(deny(room.as_str() != "secret")))
        .authorize_publish(move |_, _, message| ready(deny(message.as_text() != Some("\"bad\""))))
        .build();
    let mut client = Json::connect(&Endpoint::builder(hub).build()).await;
    let reply = client.command("subscribe", json!({ "channel": "secret" })).await;
    assert_eq!(reply["error"], json!({ "code": 103, "message": "not here" }));
    assert_eq!(client.refused("publish", json!({ "channel": "a", "data": "bad" })).await, 103);
    client.ask("publish", json!({ "channel": "a", "data": "good" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_may_disconnect_a_users_other_clients_when_one_connects() {
    const CLIENTS: usize = 20;

    let hub = hub().build();
    let of_hook = hub.clone();
    let endpoint: Endpoint = Endpoint::builder(hub.clone())
        .on_connect(move |_| {
            let hub = of_hook.clone();
            async move {
                let ada = UserId::new("ada");
                hub.close(ada.clone(), 4_000, "elsewhere").await.map_err(|_| Refusal::INTERNAL)?;
                Ok(Accepted::new(()).user(ada))
            }
        })
        .build();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let endpoint = endpoint.clone();
        clients.push(tokio::spawn(async move {
            let mut client = Json::open(&endpoint).await;
            client.send(&json!({ "id": 1, "connect": {} })).await;
            // The reply, or the end: from then on, the client disconnects no other.
            let _ = client.ws.recv().await;
            client
        }));
    }
    for client in clients {
        let mut client = client.await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = client.ws.recv().await {} });
    }
    let mut last = Json::open(&endpoint).await;
    let reply = last.ask("connect", json!({})).await;
    assert!(reply["client"].is_string());
    while hub.session_count() > 1 {
        tokio::task::yield_now().await;
    }
    last.nothing_more().await;
}

#[tokio::test]
async fn and_a_client_with_too_many_rpcs_waits() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    for id in 100..116 {
        client.send(&json!({ "id": id, "rpc": { "method": "slow" } })).await;
    }
    client.send(&json!({ "id": 1, "ping": {} })).await;
    let waits = tokio::time::timeout(Duration::from_millis(200), client.ws.recv()).await;
    assert!(waits.is_err());
}
