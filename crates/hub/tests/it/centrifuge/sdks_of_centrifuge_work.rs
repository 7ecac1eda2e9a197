use serde_json::{Value, json};
use sockeye_hub::Hub;
use sockeye_hub::core::UserId;

use crate::centrifuge::sdk::Sdk;
use crate::centrifuge::server::{in_seconds, publish, serve, token, with_echo};

fn connection(user: &str) -> Value {
    json!({ "token": token(json!({ "sub": user, "exp": in_seconds(600) })) })
}

async fn disconnect(hub: &Hub, user: &str, code: u16) {
    hub.close(UserId::new(user), code, "by the test").await.unwrap();
}

/// Uses everything of the protocol that an SDK has.
async fn session(program: &str, encoding: &str) {
    let endpoint = with_echo();
    let hub = endpoint.hub().clone();
    let url = serve(endpoint).await;
    let Some(mut ada) = Sdk::start(program, encoding, &url) else { return };
    let mut bob = Sdk::start(program, encoding, &url).unwrap();
    ada.ask("connect", connection("ada")).await;
    bob.ask("connect", connection("bob")).await;

    // Subscriptions, publications, and who is there.
    let log = json!({ "channel": "log" });
    ada.ask("subscribe", log.clone()).await;
    bob.ask("subscribe", log.clone()).await;
    assert_eq!(ada.event("subscribed").await["recovered"], false);
    while ada.event("join").await["user"] != "bob" {}
    bob.ask("publish", json!({ "channel": "log", "data": { "text": "hello" } })).await;
    assert_eq!(ada.publications(1).await, [json!({ "text": "hello" })]);
    assert_eq!(bob.publications(1).await, [json!({ "text": "hello" })]);
    assert_eq!(ada.ask("presence", log.clone()).await, json!(["ada", "bob"]));
    assert_eq!(ada.ask("stats", log.clone()).await, json!([2, 2]));

    // History in both directions.
    publish(&hub, "log", 2..=5).await;
    ada.publications(4).await;
    let mut request = log.clone();
    request["limit"] = json!(2);
    let first = ada.ask("history", request.clone()).await;
    assert_eq!(first["data"], json!([{ "text": "hello" }, 2]));
    assert_eq!(first["position"]["offset"], 5);
    request["reverse"] = json!(true);
    assert_eq!(ada.ask("history", request.clone()).await["data"], json!([5, 4]));
    request["reverse"] = json!(false);
    request["since"] = json!({ "offset": 3, "epoch": first["position"]["epoch"] });
    assert_eq!(ada.ask("history", request).await["data"], json!([4, 5]));

    // RPCs and errors.
    let echo = json!({ "method": "echo", "data": ["x"] });
    assert_eq!(ada.ask("rpc", echo).await, json!(["x"]));
    let none = ada.order("rpc", json!({ "method": "none", "data": 1 })).await;
    assert_eq!(none["error"]["code"], 104);

    // A forced disconnect, twice, with publications meanwhile: exactly these are recovered.
    for round in 0..2 {
        ada.rest().await;
        let (from, to) = (10 + round * 10, 14 + round * 10);
        disconnect(&hub, "ada", 3001).await;
        publish(&hub, "log", from..=to).await;
        assert_eq!(ada.event("connecting").await["code"], 3001);
        let subscribed = ada.event("subscribed").await;
        assert_eq!(
            (&subscribed["was_recovering"], &subscribed["recovered"]),
            (&json!(true), &json!(true))
        );
        let missed: Vec<_> = (from..=to).map(|number| json!(number)).collect();
        assert_eq!(ada.publications(5).await, missed);
        publish(&hub, "log", to + 1..=to + 1).await;
        assert_eq!(ada.publications(1).await, [json!(to + 1)]);
    }

    // A position that cannot be recovered.
    ada.rest().await;
    disconnect(&hub, "ada", 3001).await;
    publish(&hub, "log", 1_000..=3_000).await;
    let subscribed = ada.event("subscribed").await;
    let lost = json!({
        "event": "subscribed", "channel": "log", "was_recovering": true, "recovered": false,
    });
    // The client may have returned in time.
    assert!(subscribed == lost || subscribed["recovered"] == true, "{subscribed}");

    // Unsubscriptions.
    bob.ask("unsubscribe", log).await;
    bob.rest().await;
    publish(&hub, "log", 1..=1).await;
    assert_eq!(bob.rest().await, [] as [Value; 0]);
    hub.join(UserId::new("bob"), "chosen").await.unwrap();
    assert_eq!(bob.event("server_subscribed").await["channel"], "chosen");
    publish(&hub, "chosen", 7..=7).await;
    assert_eq!(bob.event("server_publication").await["data"], 7);
    hub.leave(UserId::new("ada"), "log").await.unwrap();
    assert_eq!(ada.event("unsubscribed").await["code"], 2000);

    // The end.
    disconnect(&hub, "bob", 3503).await;
    assert_eq!(bob.event("disconnected").await["code"], 3503);
    ada.ask("disconnect", json!({})).await;
}

/// Uses tokens, and rooms of the connection's token with recovery.
async fn tokens(program: &str, encoding: &str) {
    let endpoint = with_echo();
    let hub = endpoint.hub().clone();
    let url = serve(endpoint).await;
    let Some(mut ada) = Sdk::start(program, encoding, &url) else { return };
    let claims =
        |seconds| json!({ "sub": "ada", "exp": in_seconds(seconds), "channels": ["news"] });
    // A browser takes some seconds to start.
    ada.ask("token", json!({ "token": "" })).await;
    // The first token expires soon: the SDK refreshes it by the second one.
    let order = json!({ "token": token(claims(2)) });
    let connecting = ada.order("connect", order).await;
    assert!(connecting.get("error").is_none(), "{connecting}");
    ada.ask("token", json!({ "token": token(claims(600)) })).await;
    assert_eq!(ada.event("server_subscribed").await["channel"], "news");
    publish(&hub, "news", 1..=1).await;
    assert_eq!(ada.event("server_publication").await["data"], 1);

    disconnect(&hub, "ada", 3001).await;
    publish(&hub, "news", 2..=3).await;
    let subscribed = ada.event("server_subscribed").await;
    assert_eq!(subscribed["recovered"], true);
    for number in 2..=3 {
        assert_eq!(ada.event("server_publication").await["data"], number);
    }

    // A room's token, refreshed as well.
    let room =
        |seconds| token(json!({ "sub": "ada", "channel": "log", "exp": in_seconds(seconds) }));
    ada.ask("subscribe", json!({ "channel": "log", "token": room(2) })).await;
    ada.ask("token", json!({ "channel": "log", "token": room(600) })).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    publish(&hub, "log", 4..=4).await;
    assert_eq!(ada.publications(1).await, [json!(4)]);
    for event in ada.rest().await {
        assert!(event["event"] != "unsubscribed" && event["event"] != "disconnected", "{event}");
    }
}

/// Begins with an application's own state, for which there is no position yet.
async fn state(encoding: &str) {
    let endpoint = with_echo();
    let hub = endpoint.hub().clone();
    let url = serve(endpoint).await;
    let Some(mut ada) = Sdk::start("centrifuge_client.cjs", encoding, &url) else { return };
    publish(&hub, "log", 1..=3).await;
    ada.ask("connect", connection("ada")).await;
    let position = json!({ "offset": 0, "epoch": "" });
    ada.ask("subscribe", json!({ "channel": "log", "state": position })).await;
    assert_eq!(ada.event("subscribed").await["recovered"], true);
    assert_eq!(ada.publications(3).await, [json!(1), json!(2), json!(3)]);
}

#[tokio::test]
async fn with_the_state_of_an_application_in_json() {
    state("json").await;
}

#[tokio::test]
async fn with_the_state_of_an_application_in_protobuf() {
    state("protobuf").await;
}

macro_rules! sdks {
    ($($name:ident: $program:literal, $encoding:literal;)+) => {
        $(mod $name {
            #[tokio::test]
            async fn in_a_session() {
                super::session($program, $encoding).await;
            }

            #[tokio::test]
            async fn with_tokens() {
                super::tokens($program, $encoding).await;
            }
        })+
    };
}

sdks! {
    chromium_in_json: "centrifuge_browser.cjs", "json";
    chromium_in_protobuf: "centrifuge_browser.cjs", "protobuf";
    javascript_in_json: "centrifuge_client.cjs", "json";
    javascript_in_protobuf: "centrifuge_client.cjs", "protobuf";
    python_in_json: "centrifuge_client.py", "json";
    python_in_protobuf: "centrifuge_client.py", "protobuf";
}
