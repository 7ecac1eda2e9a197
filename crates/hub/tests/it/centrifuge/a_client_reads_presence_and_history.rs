use serde_json::{Value, json};
use sockeye_hub::core::UserId;
use sockeye_hub::protocol::{Accepted, Endpoint};

use crate::centrifuge::client::{Json, data};
use crate::centrifuge::server::{endpoint, hub, publish};

/// Connects clients whose data is the name of their user.
fn named() -> Endpoint {
    Endpoint::builder(hub().build())
        .on_connect(async |request| {
            let name: String = serde_json::from_slice(&request.data).unwrap();
            Ok(Accepted::new(()).user(UserId::new(&name)).info(format!(r#"{{"is":"{name}"}}"#)))
        })
        .build()
}

#[tokio::test]
async fn of_rooms_that_have_it() {
    let endpoint = named();
    let mut kept = Vec::new();
    let (mut ada, reply) = Json::connect_with(&endpoint, json!({ "data": "ada" })).await;
    let (mut bob, _) = Json::connect_with(&endpoint, json!({ "data": "bob" })).await;
    for client in [&mut ada, &mut bob] {
        client.subscribe("live").await;
    }
    let presence = bob.ask("presence", json!({ "channel": "live" })).await;
    let members = presence["presence"].as_object().unwrap();
    let id = reply["client"].as_str().unwrap();
    let expected = json!({ "user": "ada", "client": id, "conn_info": { "is": "ada" } });
    assert_eq!((members.len(), &members[id]), (2, &expected));
    let stats = ada.ask("presence_stats", json!({ "channel": "live" })).await;
    assert_eq!(stats, json!({ "num_clients": 2, "num_users": 2 }));
    // All clients without a user count as one.
    let visitors = Endpoint::builder(endpoint.hub().clone()).build();
    for _ in 0..2 {
        let mut visitor = Json::connect(&visitors).await;
        visitor.subscribe("live").await;
        let stats = ada.ask("presence_stats", json!({ "channel": "live" })).await;
        assert_eq!(stats["num_users"], 3);
        kept.push(visitor);
    }
    let empty = ada.ask("presence", json!({ "channel": "nobody" })).await;
    assert_eq!(empty, json!({ "presence": {} }));
}

#[tokio::test]
async fn and_is_told_who_joins_and_leaves_if_it_asks_for_it() {
    let endpoint = named();
    let (mut ada, _) = Json::connect_with(&endpoint, json!({ "data": "ada" })).await;
    let (mut eve, _) = Json::connect_with(&endpoint, json!({ "data": "eve" })).await;
    ada.ask("subscribe", json!({ "channel": "live", "join_leave": true })).await;
    eve.subscribe("live").await;
    let user = |push: &Value, kind: &str| push[kind]["info"]["user"].clone();
    let mut joined = vec![user(&ada.push().await, "join"), user(&ada.push().await, "join")];
    joined.sort_by_key(Value::to_string);
    assert_eq!(joined, ["ada", "eve"]);

    let (mut bob, _) = Json::connect_with(&endpoint, json!({ "data": "bob" })).await;
    bob.subscribe("live").await;
    let push = ada.push().await;
    assert_eq!((&push["channel"], user(&push, "join")), (&json!("live"), json!("bob")));
    assert_eq!(push["join"]["info"]["conn_info"], json!({ "is": "bob" }));
    bob.ask("unsubscribe", json!({ "channel": "live" })).await;
    assert_eq!(user(&ada.push().await, "leave"), "bob");
    eve.nothing_more().await;
}

#[tokio::test]
async fn and_who_published() {
    let endpoint = named();
    let (mut ada, reply) = Json::connect_with(&endpoint, json!({ "data": "ada" })).await;
    let info = json!({ "user": "ada", "client": reply["client"] });
    for room in ["live", "log"] {
        ada.subscribe(room).await;
        ada.ask("publish", json!({ "channel": room, "data": 1 })).await;
        assert_eq!(ada.push().await["pub"]["info"], info);
    }
    let history = ada.ask("history", json!({ "channel": "log", "limit": 1 })).await;
    assert_eq!(history["publications"][0]["info"], info);
    endpoint.hub().room("live").publish("1").await.unwrap();
    assert_eq!(ada.push().await["pub"].get("info"), None);
}

#[tokio::test]
async fn forwards_and_backwards_from_any_position() {
    let endpoint = endpoint();
    publish(endpoint.hub(), "log", 1..=10).await;
    let mut client = Json::connect(&endpoint).await;
    let mut history = async |request: Value| {
        let mut full = json!({ "channel": "log" });
        full.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        client.ask("history", full).await
    };
    let top = history(json!({})).await;
    assert_eq!((data(&top), &top["offset"]), (vec![], &json!(10)));
    let all = history(json!({ "limit": -1 })).await;
    assert_eq!(data(&all), (1..=10).map(|number| json!(number)).collect::<Vec<_>>());
    assert_eq!(all["publications"][9]["epoch"], all["epoch"]);
    assert_eq!(data(&history(json!({ "limit": 2 })).await), [1, 2]);
    assert_eq!(data(&history(json!({ "limit": 1 })).await), [1]);
    assert_eq!(data(&history(json!({ "limit": 2, "reverse": true })).await), [10, 9]);

    let epoch = &all["publications"][3]["epoch"];
    let since = json!({ "offset": 4, "epoch": epoch });
    assert_eq!(data(&history(json!({ "limit": 3, "since": since })).await), [5, 6, 7]);
    let backwards = history(json!({ "limit": 9, "since": since, "reverse": true })).await;
    assert_eq!(data(&backwards), [3, 2, 1]);
    // A client that counts on from the epoch of its subscription.
    let since = json!({ "offset": 8, "epoch": epoch });
    assert_eq!(data(&history(json!({ "limit": 9, "since": since })).await), [9, 10]);

    for since in [
        json!({ "offset": 4, "epoch": "5eed.4.1" }),
        json!({ "offset": 4, "epoch": "" }),
        json!({ "offset": 11, "epoch": epoch }),
    ] {
        let request = json!({ "channel": "log", "limit": 9, "since": since });
        assert_eq!(client.refused("history", request).await, 112, "{since}");
    }
}
