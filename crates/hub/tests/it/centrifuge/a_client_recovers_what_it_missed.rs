use serde_json::{Value, json};
use sockeye_hub::core::Publication;
use sockeye_hub::protocol::Endpoint;

use crate::centrifuge::client::{Json, data};
use crate::centrifuge::server::{FILL, endpoint, fill, publish, small};

/// The position of a client, as it keeps it.
fn position(of: &Value) -> (Value, Value) {
    (json!(of["offset"].as_u64().unwrap_or(0)), of["epoch"].clone())
}

/// Subscribes from a position.
async fn recover(endpoint: &Endpoint, channel: &str, (offset, epoch): (Value, Value)) -> Value {
    let mut client = Json::connect(endpoint).await;
    let request = json!({ "channel": channel, "recover": true, "offset": offset, "epoch": epoch });
    client.ask("subscribe", request).await
}

fn numbers(numbers: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    numbers.map(|number| json!(number)).collect()
}

#[tokio::test]
async fn in_the_reply_to_its_subscription() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    let reply = client.subscribe("log").await;
    assert_eq!((&reply["recoverable"], &reply["positioned"]), (&json!(true), &json!(true)));
    assert_eq!(reply.get("was_recovering"), None);
    publish(endpoint.hub(), "log", 1..=2).await;
    let [first, second] = [client.push().await, client.push().await];
    assert_eq!((&first["pub"]["offset"], &second["pub"]["data"]), (&json!(1), &json!(2)));
    drop(client);
    publish(endpoint.hub(), "log", 3..=9).await;

    // With the epoch of the last publication, and with that of the subscription.
    let last = position(&second["pub"]);
    for epoch in [last.1.clone(), reply["epoch"].clone()] {
        let reply = recover(&endpoint, "log", (last.0.clone(), epoch)).await;
        assert_eq!((&reply["was_recovering"], &reply["recovered"]), (&json!(true), &json!(true)));
        assert_eq!((data(&reply), &reply["offset"]), (numbers(3..=9), &json!(9)));
        assert_eq!(reply["publications"][6]["epoch"], reply["epoch"]);
        let again = recover(&endpoint, "log", position(&reply)).await;
        assert_eq!((data(&again), &again["recovered"]), (vec![], &json!(true)));
    }
}

#[tokio::test]
async fn beyond_the_reply_as_pushes_before_what_is_published_later() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    let start = position(&client.subscribe("log").await);
    drop(client);
    publish(endpoint.hub(), "log", 1..=700).await;
    let hub = endpoint.hub().clone();
    let later = tokio::spawn(async move { publish(&hub, "log", 701..=900).await });
    let mut client = Json::connect(&endpoint).await;
    let request = json!({ "channel": "log", "recover": true, "offset": start.0, "epoch": start.1 });
    let reply = client.ask("subscribe", request).await;
    assert_eq!(reply["recovered"], true);
    let mut received = data(&reply);
    assert!((1..=300).contains(&received.len()), "{}", received.len());
    assert_eq!(reply["offset"], received.len());
    while received.len() < 900 {
        let push = client.push().await;
        assert_eq!(push["pub"]["offset"], push["pub"]["data"]);
        received.push(push["pub"]["data"].clone());
    }
    assert_eq!(received, numbers(1..=900));
    later.await.unwrap();
    client.nothing_more().await;
}

#[tokio::test]
async fn or_is_told_that_it_cannot() {
    let endpoint = endpoint();
    publish(endpoint.hub(), "short", 1..=10).await;
    let mut client = Json::connect(&endpoint).await;
    let top = client.ask("history", json!({ "channel": "short", "limit": -1 })).await;
    let (offset, epoch) = position(&top);
    let text = epoch.as_str().unwrap();
    let (bare, tag) = (text.split('.').next().unwrap(), text.rsplit('.').next().unwrap());
    let cases = [
        // Trimmed.
        (json!(1), json!(bare)),
        // Another epoch.
        (offset.clone(), json!(format!("5eed.10.{tag}"))),
        (offset.clone(), json!("5eed")),
        // Rolled back: another publication has this offset.
        (offset.clone(), json!(format!("{bare}.10.5eed"))),
        (json!(11), json!(bare)),
        // The store contradicts the position that the client had before.
        (json!(9), json!(format!("{bare}.8.5eed"))),
        // No position of a hub.
        (json!(0), json!("_")),
        (json!(0), json!("")),
    ];
    for case in cases {
        let reply = recover(&endpoint, "short", case.clone()).await;
        assert_eq!(reply["was_recovering"], true, "{case:?}");
        assert_eq!(reply.get("recovered"), None, "{case:?}");
        assert_eq!((data(&reply), position(&reply)), (vec![], position(&top)), "{case:?}");

        // A client that asks for it is not subscribed then.
        let request = json!({
            "channel": "short", "recover": true, "offset": case.0, "epoch": case.1, "flag": 3,
        });
        assert_eq!(client.refused("subscribe", request).await, 112, "{case:?}");
    }
    publish(endpoint.hub(), "short", 11..=11).await;
    client.nothing_more().await;
    let reply = recover(&endpoint, "short", (json!(9), json!(bare))).await;
    assert_eq!((data(&reply), &reply["recovered"]), (numbers(10..=11), &json!(true)));
}

#[tokio::test]
async fn from_the_beginning_of_the_history_if_nothing_is_trimmed() {
    let endpoint = endpoint();
    let beginning = (json!(0), json!(""));
    let empty = recover(&endpoint, "log", beginning.clone()).await;
    assert_eq!((data(&empty), &empty["recovered"]), (vec![], &json!(true)));
    publish(endpoint.hub(), "log", 1..=3).await;
    let reply = recover(&endpoint, "log", beginning.clone()).await;
    assert_eq!((data(&reply), &reply["recovered"]), (numbers(1..=3), &json!(true)));
    // An offset without an epoch is a position of no history.
    let reply = recover(&endpoint, "log", (json!(1), json!(""))).await;
    assert_eq!((data(&reply), reply.get("recovered")), (vec![], None));

    publish(endpoint.hub(), "short", 1..=10).await;
    let reply = recover(&endpoint, "short", beginning).await;
    assert_eq!((data(&reply), reply.get("recovered")), (vec![], None));
    let since = json!({ "offset": 0, "epoch": "" });
    let request = json!({ "channel": "log", "limit": 2, "since": since });
    let mut client = Json::connect(&endpoint).await;
    assert_eq!(data(&client.ask("history", request).await), numbers(1..=2));
}

#[tokio::test]
async fn except_in_rooms_without_history() {
    let endpoint = endpoint();
    let reply = recover(&endpoint, "live", (json!(5), json!("5eed"))).await;
    assert_eq!(reply, json!({ "was_recovering": true }));
    let mut client = Json::connect(&endpoint).await;
    let request = json!({ "channel": "live", "recover": true, "epoch": "5eed", "flag": 2 });
    assert_eq!(client.refused("subscribe", request).await, 112);
}

#[tokio::test]
async fn by_its_filter() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    let start = position(&client.subscribe("log").await);
    drop(client);
    for number in 1..=4 {
        let tags = vec![("parity".into(), if number % 2 == 0 { "even" } else { "odd" }.into())];
        let publication = Publication { tags, ..Publication::new(number.to_string()) };
        endpoint.hub().room("log").publish_with(publication).await.unwrap();
    }
    let mut client = Json::connect(&endpoint).await;
    let reply = client
        .ask(
            "subscribe",
            json!({
                "channel": "log", "recover": true, "offset": start.0, "epoch": start.1,
                "tf": { "key": "parity", "cmp": "eq", "val": "odd" },
            }),
        )
        .await;
    assert_eq!((data(&reply), &reply["offset"]), (vec![json!(1), json!(3)], &json!(4)));
    assert_eq!(reply["publications"][0]["tags"], json!({ "parity": "odd" }));
}

#[tokio::test]
async fn after_it_was_unsubscribed_because_it_read_too_slowly() {
    let endpoint = small();
    let mut client = Json::connect(&endpoint).await;
    client.subscribe("deep").await;
    fill(&endpoint, "deep").await;
    let mut received = 0;
    let mut last = (json!(0), json!(""));
    loop {
        let push = client.push().await;
        if let Some(publication) = push.get("pub") {
            received += 1;
            assert_eq!(publication["offset"], received);
            last = position(publication);
            continue;
        }
        let unsubscribe = json!({ "code": 2500, "reason": "insufficient state" });
        assert_eq!(push, json!({ "channel": "deep", "unsubscribe": unsubscribe }));
        break;
    }
    assert!(received < FILL);
    client.nothing_more().await;
    assert!(endpoint.hub().sessions()[0].rooms().is_empty());

    let request = json!({ "channel": "deep", "recover": true, "offset": last.0, "epoch": last.1 });
    let reply = client.ask("subscribe", request).await;
    assert_eq!(reply["recovered"], true);
    received += data(&reply).len();
    while received < FILL {
        received += 1;
        assert_eq!(client.push().await["pub"]["offset"], received);
    }
    client.nothing_more().await;
}
