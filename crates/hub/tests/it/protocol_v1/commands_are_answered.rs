use serde_json::{Map, Value, json};
use sockeye_hub::core::Publication;
use sockeye_hub::{Hub, Recipients};

use crate::protocol_v1::support::{Raw, endpoint, hub};

async fn client() -> (Hub, Raw) {
    let hub = hub();
    let raw = Raw::connect(&endpoint(&hub).build()).await;
    (hub, raw)
}

#[tokio::test]
async fn the_first_command_is_connect() {
    let endpoint = endpoint(&hub()).build();
    let mut raw = Raw::open(&endpoint).await;
    raw.send("join", json!([{ "room": "lobby" }])).await;
    assert_eq!(raw.close_code().await, 3501);

    let mut raw = Raw::open(&endpoint).await;
    raw.ws.send("hello").await.unwrap();
    assert_eq!(raw.close_code().await, 3501);

    let mut raw = Raw::open(&endpoint).await;
    raw.ws.send(vec![1_u8, 1]).await.unwrap();
    assert_eq!(raw.close_code().await, 3506);

    let mut raw = Raw::connect(&endpoint).await;
    let error = raw.call("connect", json!({})).await.unwrap_err();
    assert_eq!(error["code"], 107);
}

#[tokio::test]
async fn a_client_without_a_valid_token_is_refused() {
    let hub = hub();
    let endpoint = endpoint(&hub).anonymous(false).build();
    let mut raw = Raw::open(&endpoint).await;
    let error = raw.call("connect", json!({})).await.unwrap_err();
    assert_eq!(error["code"], 101);
    assert_eq!(raw.close_code().await, 3503);

    let mut raw = Raw::open(&endpoint).await;
    raw.send("connect", json!({ "token": "x" })).await;
    assert_eq!(raw.close_code().await, 3500);
}

#[tokio::test]
async fn commands_may_follow_connect_before_its_reply() {
    let mut raw = Raw::open(&endpoint(&hub()).build()).await;
    raw.send("connect", json!({ "client": "test/1" })).await;
    raw.send("join", json!([{ "room": "lobby" }])).await;
    assert_eq!(raw.next().await["id"], 1);
    assert_eq!(raw.next().await, json!({ "joined": { "room": "lobby" } }));
    assert_eq!(raw.next().await, json!({ "id": 2, "join": {} }));
}

#[tokio::test]
async fn each_room_of_a_join_is_answered_by_an_event() {
    let (_hub, mut raw) = client().await;
    let rooms =
        json!([{ "room": "log" }, { "room": "secret" }, { "room": "" }, { "room": "lobby" }]);
    let id = raw.send("join", rooms).await;
    let joined = raw.next().await;
    assert_eq!(joined["joined"]["room"], "log");
    assert!(joined["joined"]["position"].is_string());
    let refused = raw.next().await;
    assert_eq!(
        refused,
        json!({ "refused": { "room": "secret", "code": 103, "message": "members only" } })
    );
    assert_eq!(raw.next().await["refused"]["code"], 107);
    assert_eq!(raw.next().await["joined"]["room"], "lobby");
    assert_eq!(raw.next().await, json!({ "id": id, "join": {} }));
    let again = raw.join(json!({ "room": "lobby" })).await;
    assert_eq!(again["refused"]["code"], 105);

    let many: Vec<_> = (0..300).map(|number| json!({ "room": number.to_string() })).collect();
    assert_eq!(raw.call("join", json!(many)).await.unwrap_err()["code"], 106);
    let many: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    assert_eq!(raw.call("leave", json!(many)).await.unwrap_err()["code"], 106);
}

#[tokio::test]
async fn publications_have_the_bounds_of_the_api_for_backends() {
    let (_hub, mut raw) = client().await;
    let tags = |count: usize| -> Value {
        (0..count).map(|number| (number.to_string(), json!("x"))).collect::<Map<_, _>>().into()
    };
    let long = "x".repeat(4_096);
    for (bounds, result) in [
        (json!({ "tags": tags(64) }), None),
        (json!({ "tags": tags(65) }), Some(106)),
        (json!({ "tags": { "a": long } }), Some(106)),
        (json!({ "tags": tags(64), "key": "k" }), Some(106)),
        (json!({ "id": &long[..128] }), None),
        (json!({ "id": &long[..129] }), Some(106)),
    ] {
        let mut publish = json!({ "room": "log", "data": 1 });
        publish.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
        let refused = raw.call("publish", publish).await.err();
        assert_eq!(refused.map(|error| error["code"].as_u64().unwrap()), result);
    }
}

#[tokio::test]
async fn publications_have_payload_position_id_publisher_and_tags() {
    let (hub, mut raw) = client().await;
    raw.join(json!({ "room": "log" })).await;
    let publish =
        json!({ "room": "log", "data": { "n": 1 }, "id": "one", "tags": { "level": "info" } });
    let id = raw.send("publish", publish.clone()).await;
    let (first, second) = (raw.next().await, raw.next().await);
    let (event, reply) = if first.get("id").is_some() { (second, first) } else { (first, second) };
    let event = &event["publication"];
    assert_eq!(event["data"], json!({ "n": 1 }));
    assert_eq!((&event["room"], &event["id"]), (&json!("log"), &json!("one")));
    assert_eq!(event["tags"], json!({ "level": "info" }));
    assert!(event["publisher"].is_string());
    assert_eq!(reply["id"], id);
    assert_eq!(reply["publish"]["position"], event["position"]);
    // Stored once.
    assert_eq!(raw.call("publish", publish).await.unwrap(), reply["publish"]);

    hub.room("log").publish("plain text").await.unwrap();
    assert_eq!(raw.next().await["publication"]["data"], "plain text");
    hub.room("log").publish(vec![255_u8, 0]).await.unwrap();
    let binary = raw.next().await;
    assert_eq!(binary["publication"]["data"], "/wA=");
    assert_eq!(binary["publication"]["binary"], true);
}

#[tokio::test]
async fn a_key_becomes_the_tag_of_the_room() {
    let (_hub, mut raw) = client().await;
    raw.join(json!({ "room": "latest" })).await;
    raw.send("publish", json!({ "room": "latest", "data": 1, "key": "k" })).await;
    let event = raw.next().await;
    assert_eq!(event["publication"]["tags"], json!({ "key": "k" }));
}

#[tokio::test]
async fn what_was_missed_comes_with_the_event_of_the_join() {
    let (hub, mut raw) = client().await;
    let joined = raw.join(json!({ "room": "log" })).await;
    let from = joined["joined"]["position"].clone();
    assert_eq!(raw.call("leave", json!(["log"])).await.unwrap(), json!({}));
    for number in 0..1_000 {
        hub.room("log").publish(number.to_string()).await.unwrap();
    }
    let id = raw.send("join", json!([{ "room": "log", "from": from }])).await;
    let event = raw.next().await;
    let joined = &event["joined"];
    assert_eq!(joined["recovered"], true);
    let mut received: Vec<Value> = Vec::new();
    let first = joined["publications"].as_array().expect("a chunk");
    assert_eq!(first.last().unwrap()["position"], joined["position"]);
    received.extend(first.iter().map(|publication| publication["data"].clone()));
    while received.len() < 1_000 {
        let message = raw.next().await;
        match message.get("publication") {
            Some(publication) => received.push(publication["data"].clone()),
            None => assert_eq!(message["id"], id),
        }
    }
    assert!(received.iter().enumerate().all(|(number, data)| *data == number), "{received:?}");
}

#[tokio::test]
async fn a_gap_has_a_reason_and_a_position() {
    let (hub, mut raw) = client().await;
    let joined = raw.join(json!({ "room": "short" })).await;
    raw.call("leave", json!(["short"])).await.unwrap();
    for number in 0..50 {
        hub.room("short").publish(number.to_string()).await.unwrap();
    }
    let from = joined["joined"]["position"].clone();
    let event = raw.join(json!({ "room": "short", "from": from })).await;
    assert_eq!(event["joined"]["gap"], "trimmed");
    assert!(event["joined"].get("recovered").is_none());
    let history = raw.call("history", json!({ "room": "short", "from": from })).await.unwrap();
    assert_eq!(history["gap"], "trimmed");
    assert!(history.get("publications").is_none());
    assert_eq!(history["position"], event["joined"]["position"]);
}

#[tokio::test]
async fn history_is_read_in_pages_in_both_directions() {
    let (hub, mut raw) = client().await;
    // This server has a hook that authorises joins.
    assert_eq!(raw.call("history", json!({ "room": "log" })).await.unwrap_err()["code"], 103);
    for number in 0..25 {
        hub.room("log").publish(number.to_string()).await.unwrap();
    }
    raw.join(json!({ "room": "log" })).await;
    for reverse in [false, true] {
        let mut read = Vec::new();
        let mut from = Value::Null;
        loop {
            let command = json!({ "room": "log", "limit": 10, "from": from, "reverse": reverse });
            let page = raw.call("history", command).await.unwrap();
            let publications = page["publications"].as_array().unwrap();
            read.extend(publications.iter().map(|one| one["data"].as_u64().unwrap()));
            from = publications.last().unwrap()["position"].clone();
            if page.get("more").is_none() {
                break;
            }
        }
        let mut expected: Vec<u64> = (0..25).collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!(read, expected);
    }
    raw.join(json!({ "room": "lobby" })).await;
    assert_eq!(raw.call("history", json!({ "room": "lobby" })).await.unwrap_err()["code"], 108);
}

#[tokio::test]
async fn members_are_listed_counted_and_updated() {
    let hub = hub();
    let endpoint = endpoint(&hub).build();
    let mut ada = Raw::connect(&endpoint).await;
    ada.join(json!({ "room": "lobby", "info": { "name": "Ada" }, "presence": true })).await;
    let mut grace = Raw::connect(&endpoint).await;
    grace.join(json!({ "room": "lobby", "info": { "name": "Grace" } })).await;
    let mut change = ada.any().await;
    while change["presence"]["joined"]
        .as_array()
        .is_none_or(|joined| joined.iter().all(|member| member["info"]["name"] != "Grace"))
    {
        change = ada.any().await;
    }
    grace
        .call("update", json!({ "room": "lobby", "info": { "name": "Grace Hopper" } }))
        .await
        .unwrap();
    let updated = ada.any().await;
    assert_eq!(updated["presence"]["updated"][0]["info"]["name"], "Grace Hopper");

    let page = ada.call("members", json!({ "room": "lobby", "limit": 1 })).await.unwrap();
    assert_eq!(page["members"].as_array().unwrap().len(), 1);
    let next = json!({ "room": "lobby", "after": page["next"] });
    let rest = ada.call("members", next).await.unwrap();
    assert_eq!(rest["members"].as_array().unwrap().len(), 1);
    assert!(rest.get("next").is_none());
    let counts = ada.call("counts", json!({ "room": "lobby" })).await.unwrap();
    assert_eq!(counts, json!({ "sessions": 2, "users": 0 }));
    assert_eq!(ada.call("users", json!({ "room": "lobby" })).await.unwrap(), json!({}));

    drop(grace);
    let left = ada.any().await;
    assert_eq!(left["presence"]["left"].as_array().unwrap().len(), 1);
    ada.join(json!({ "room": "absent" })).await;
    assert_eq!(ada.call("counts", json!({ "room": "absent" })).await.unwrap_err()["code"], 108);
}

#[tokio::test]
async fn a_filter_selects_by_tags_and_is_replaced() {
    let (hub, mut raw) = client().await;
    let filter = json!({ "tag": "level", "gte": 5 });
    raw.join(json!({ "room": "lobby", "filter": filter })).await;
    let publish = async |level: &str| {
        let tags = vec![("level".into(), level.into())];
        let publication = Publication { tags, ..Publication::new(level.to_owned()) };
        hub.room("lobby").publish_with(publication).await.unwrap();
    };
    publish("4").await;
    publish("5").await;
    assert_eq!(raw.next().await["publication"]["data"], 5);
    raw.call("filter", json!({ "room": "lobby" })).await.unwrap();
    publish("1").await;
    assert_eq!(raw.next().await["publication"]["data"], 1);
}

#[tokio::test]
async fn rpcs_run_beside_other_commands() {
    let (_hub, mut raw) = client().await;
    assert_eq!(
        raw.call("rpc", json!({ "method": "echo", "data": [1] })).await.unwrap()["data"],
        json!([1])
    );
    assert_eq!(raw.call("rpc", json!({ "method": "dance" })).await.unwrap_err()["code"], 404);
    let slow = raw.send("rpc", json!({ "method": "slow", "data": 1 })).await;
    let fast = raw.send("rpc", json!({ "method": "echo", "data": 2 })).await;
    assert_eq!(raw.next().await["id"], fast);
    assert_eq!(raw.next().await["id"], slow);
}

#[tokio::test]
async fn messages_go_both_ways_without_a_room() {
    let (hub, mut raw) = client().await;
    let id = raw.send("send", json!({ "data": "hi" })).await;
    assert_eq!(raw.next().await, json!({ "message": { "data": "hi" } }));
    assert_eq!(raw.next().await, json!({ "id": id, "send": {} }));
    hub.send_to(Recipients::All, "to all").await.unwrap();
    assert_eq!(raw.next().await, json!({ "message": { "data": "to all" } }));
}

#[tokio::test]
async fn the_server_makes_a_client_join_and_leave() {
    let (hub, mut raw) = client().await;
    hub.join(Recipients::All, "lobby").await.unwrap();
    assert_eq!(raw.next().await, json!({ "joined": { "room": "lobby" } }));
    hub.leave(Recipients::All, "lobby").await.unwrap();
    assert_eq!(raw.next().await, json!({ "left": { "room": "lobby" } }));
}

#[tokio::test]
async fn a_command_without_an_id_has_no_reply_unless_it_fails() {
    let (_hub, mut raw) = client().await;
    raw.ws.send(r#"{"publish":{"room":"lobby","data":1}}"#).await.unwrap();
    raw.ws.send(r#"{"counts":{"room":""}}"#).await.unwrap();
    let failure = raw.next().await;
    assert_eq!(failure["error"]["code"], 107);
    assert!(failure.get("id").is_none());
}

#[tokio::test]
async fn a_command_that_is_unknown_or_too_long_is_refused() {
    let (_hub, mut raw) = client().await;
    let error = raw.call("dance", json!({})).await.unwrap_err();
    assert_eq!(error["code"], 104);
    let error = raw.call("counts", json!({})).await.unwrap_err();
    assert_eq!(error["code"], 107);
    raw.send("send", json!({ "data": "x".repeat(70_000) })).await;
    assert_eq!(raw.close_code().await, 1009);
}
