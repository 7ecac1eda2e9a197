use serde_json::json;
use sockeye_hub::Recipients;
use sockeye_hub::core::RoomName;
use sockeye_hub::protocol::{Accepted, Endpoint};

use crate::centrifuge::client::{Json, data};
use crate::centrifuge::server::{fill, hub, publish, small_queues};

/// Makes clients join the rooms that their data names.
fn chosen() -> Endpoint {
    Endpoint::builder(small_queues(hub()).build())
        .on_connect(async |request| {
            let rooms: Vec<String> = serde_json::from_slice(&request.data).unwrap_or_default();
            let accepted = rooms.iter().map(|room| RoomName::new(room).unwrap());
            Ok(accepted.fold(Accepted::new(()), Accepted::join))
        })
        .build()
}

#[tokio::test]
async fn and_the_client_recovers_them_as_it_connects() {
    let endpoint = chosen();
    let rooms = json!({ "data": ["log", "live"] });
    let (mut client, reply) = Json::connect_with(&endpoint, rooms.clone()).await;
    assert_eq!(reply["subs"]["live"], json!({}));
    assert_eq!(reply["subs"]["log"]["recoverable"], true);
    publish(endpoint.hub(), "log", 1..=2).await;
    client.push().await;
    let last = client.push().await["pub"].clone();
    drop(client);
    publish(endpoint.hub(), "log", 3..=800).await;

    let mut request = rooms;
    request["subs"] = json!({
        "log": { "recover": true, "offset": last["offset"], "epoch": last["epoch"] },
        "other": { "recover": true, "offset": 1, "epoch": "5eed" },
    });
    let (mut client, reply) = Json::connect_with(&endpoint, request).await;
    assert_eq!(reply["subs"].as_object().unwrap().len(), 2);
    let log = &reply["subs"]["log"];
    assert_eq!((&log["was_recovering"], &log["recovered"]), (&json!(true), &json!(true)));
    let mut received = data(log);
    assert!((1..=300).contains(&received.len()), "{}", received.len());
    while received.len() < 798 {
        received.push(client.push().await["pub"]["data"].clone());
    }
    assert_eq!(received, (3..=800).map(|number| json!(number)).collect::<Vec<_>>());
    publish(endpoint.hub(), "live", 1..=1).await;
    assert_eq!(client.push().await, json!({ "channel": "live", "pub": { "data": 1 } }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_others_publish_to_all_of_them() {
    const CLIENTS: usize = 20;
    const PUBLISHED: u64 = 400;

    let endpoint = Endpoint::builder(hub().build())
        .on_connect(async |_| {
            let rooms = ["bare 1", "bare 2", "bare 3"].map(|room| RoomName::new(room).unwrap());
            Ok(rooms.into_iter().fold(Accepted::new(()), Accepted::join))
        })
        .build();
    let hub = endpoint.hub().clone();
    let publishing = tokio::spawn(async move {
        for number in 1..=PUBLISHED {
            for room in ["bare 1", "bare 2", "bare 3"] {
                hub.room(room).publish(number.to_string()).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    });
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let endpoint: Endpoint = endpoint.clone();
        clients.push(tokio::spawn(async move {
            let mut subs = json!({});
            // Each client returns once.
            for is_last in [false, true] {
                let request = json!({ "subs": subs });
                let (mut client, reply) = Json::connect_with(&endpoint, request).await;
                let mut next = [0; 3];
                for (index, next) in next.iter_mut().enumerate() {
                    let room = format!("bare {}", index + 1);
                    let joined = &reply["subs"][&room];
                    let missed = data(joined).len() as u64;
                    *next = joined["offset"].as_u64().unwrap_or_default() + 1;
                    if is_last {
                        assert_eq!(joined["recovered"], true, "{joined}");
                        let before = subs[&room]["offset"].as_u64().unwrap();
                        *next = before + missed + 1;
                    }
                    subs[&room] = json!({
                        "recover": true,
                        "offset": *next - 1,
                        "epoch": joined["epoch"],
                    });
                }
                while is_last && next != [PUBLISHED + 1; 3] {
                    let push = client.push().await;
                    let index = &push["channel"].as_str().unwrap()[5..];
                    let next = &mut next[index.parse::<usize>().unwrap() - 1];
                    assert_eq!(push["pub"]["data"], json!(*next), "{push}");
                    *next += 1;
                }
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    publishing.await.unwrap();
}

#[tokio::test]
async fn and_tells_the_others_that_the_client_has_joined() {
    let endpoint = chosen();
    let mut ada = Json::connect(&endpoint).await;
    ada.ask("subscribe", json!({ "channel": "live", "join_leave": true })).await;
    ada.push().await;
    let (bob, reply) = Json::connect_with(&endpoint, json!({ "data": ["live"] })).await;
    assert_eq!(ada.push().await["join"]["info"]["client"], reply["client"]);
    drop(bob);
    assert_eq!(ada.push().await["leave"]["info"]["client"], reply["client"]);
}

#[tokio::test]
async fn while_the_client_is_connected() {
    let endpoint = chosen();
    let mut client = Json::connect(&endpoint).await;
    endpoint.hub().join(Recipients::All, "log").await.unwrap();
    let push = client.push().await;
    assert_eq!(
        (&push["channel"], &push["subscribe"]["recoverable"]),
        (&json!("log"), &json!(true))
    );
    publish(endpoint.hub(), "log", 1..=1).await;
    assert_eq!(client.push().await["pub"]["data"], 1);
    assert_eq!(client.refused("subscribe", json!({ "channel": "log" })).await, 105);

    endpoint.hub().leave(Recipients::All, "log").await.unwrap();
    let unsubscribe = json!({ "code": 2000, "reason": "server unsubscribe" });
    assert_eq!(client.push().await, json!({ "channel": "log", "unsubscribe": unsubscribe }));
    publish(endpoint.hub(), "log", 2..=2).await;
    client.nothing_more().await;
    client.subscribe("log").await;
}

#[tokio::test]
async fn and_disconnects_clients_that_missed_something_of_them() {
    let endpoint = chosen();
    let (client, _) = Json::connect_with(&endpoint, json!({ "data": ["deep"] })).await;
    fill(&endpoint, "deep").await;
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3010, "insufficient state"));
}

#[tokio::test]
async fn and_refuses_clients_with_too_many_of_them() {
    let endpoint = chosen();
    let rooms: Vec<_> = (0..129).map(|number| number.to_string()).collect();
    let mut client = Json::open(&endpoint).await;
    client.send(&json!({ "id": 1, "connect": { "data": rooms } })).await;
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3505, "channel limit"));
}
