use std::future::pending;
use std::time::Duration;

use serde_json::{Value, json};
use sockeye_hub::core::filter::{Condition, Filter};
use sockeye_hub::core::{Publication, UserId};
use sockeye_hub::namespaces::{Access, Namespaces, Rules};
use sockeye_hub::protocol::{Accepted, ClientLimits, Endpoint, Protocol};
use sockeye_hub::token::TokenVerifier;
use sockeye_hub::{Builder, Hub, JoinTerms, Recipients};

use crate::centrifuge::client::{Json, closed, data, open};
use crate::centrifuge::server::{SECRET, hub, in_seconds, publish, token, with_tokens};

/// Returns an endpoint whose rooms of the namespace `blind` show neither members nor history.
fn blind() -> Endpoint {
    let rules = Rules::open();
    let (mut blind, mut seen) = (rules.clone(), rules);
    (blind.presence, blind.history) = (Access::Nobody, Access::Nobody);
    seen.history = Access::Nobody;
    let namespaces = Namespaces::closed().with("blind", blind).with("seen", seen);
    let builder: Builder<()> = Hub::builder();
    let hub = builder.namespaces(&namespaces).build();
    Endpoint::builder(hub).namespaces(namespaces).build()
}

#[tokio::test]
async fn of_presence_however_the_client_joins() {
    let endpoint = blind();
    let mut client = Json::connect(&endpoint).await;
    for room in ["blind:asked", "seen:1"] {
        client.ask("subscribe", json!({ "channel": room, "join_leave": true })).await;
    }
    endpoint.hub().join(Recipients::All, "blind:invited").await.unwrap();
    while client.push().await.get("subscribe").is_none() {}
    let (mut other, reply) = Json::connect_with(&endpoint, json!({})).await;
    for room in ["blind:asked", "blind:invited", "seen:1"] {
        other.subscribe(room).await;
    }
    let mut wait_for = async |notice: &str| {
        // Notices of the other rooms would come before.
        loop {
            let push = client.push().await;
            assert_eq!(push["channel"], "seen:1", "{push}");
            if push[notice]["info"]["client"] == reply["client"] {
                return;
            }
        }
    };
    wait_for("join").await;
    drop(other);
    wait_for("leave").await;
}

#[tokio::test]
async fn of_history_for_positions_that_prove_nothing() {
    let endpoint = blind();
    let mut client = Json::connect(&endpoint).await;
    publish(endpoint.hub(), "blind:1", 1..=3).await;
    let reply = client.subscribe("blind:1").await;
    let whole = reply["epoch"].as_str().unwrap().to_owned();
    let epoch = whole.split('.').next().unwrap();
    let subscribe = |epoch: &str, offset: u64| json!({ "channel": "blind:1", "recover": true, "epoch": epoch, "offset": offset });
    publish(endpoint.hub(), "blind:1", 4..=5).await;
    for (epoch, offset) in [
        (epoch, 0),
        (epoch, 2),
        (&format!("{epoch}.0.0"), 0),
        (&format!("{epoch}.0.0"), 2),
        (&format!("{epoch}.1.5eed"), 2),
        (&*whole, 2),
    ] {
        client.ask("unsubscribe", json!({ "channel": "blind:1" })).await;
        let reply = client.ask("subscribe", subscribe(epoch, offset)).await;
        assert_ne!(reply["recovered"], true, "{epoch} {offset}");
        assert_eq!(data(&reply), Vec::<Value>::new(), "{epoch} {offset}");
    }
    for (offset, missed) in [(3, vec![4, 5]), (4, vec![5])] {
        client.ask("unsubscribe", json!({ "channel": "blind:1" })).await;
        let reply = client.ask("subscribe", subscribe(&whole, offset)).await;
        assert_eq!(reply["recovered"], true, "{offset}");
        assert_eq!(json!(data(&reply)), json!(missed), "{offset}");
    }

    let reply = client.subscribe("blind:2").await;
    client.ask("unsubscribe", json!({ "channel": "blind:2" })).await;
    let again = json!({ "channel": "blind:2", "recover": true, "epoch": reply["epoch"] });
    assert_eq!(client.ask("subscribe", again).await["recovered"], true);
}

#[tokio::test]
async fn of_the_hook_that_authorises_joins() {
    let authorize = async |_, _| {
        let filter = Filter::tag("for", Condition::Equals("all".into())).unwrap();
        Ok(JoinTerms::new().filter(filter))
    };
    let hub = hub().authorize_join(authorize).build();
    let room = hub.room("log");
    for number in 0..20 {
        room.publish(number.to_string()).await.unwrap();
    }
    let tags = vec![("for".into(), "all".into())];
    let publication = Publication { tags, ..Publication::new("20") };
    room.publish_with(publication).await.unwrap();
    let mut client = Json::connect(&Endpoint::builder(hub).build()).await;
    let history = json!({ "channel": "log", "limit": 2 });
    for command in ["history", "presence", "presence_stats"] {
        assert_eq!(client.refused(command, history.clone()).await, 103, "{command}");
    }
    client.subscribe("log").await;
    assert_eq!(data(&client.ask("history", history).await), [json!(20)]);
    room.publish("21").await.unwrap();
    for reverse in [false, true] {
        let history = json!({ "channel": "log", "limit": 1, "reverse": reverse });
        assert_eq!(data(&client.ask("history", history).await), [json!(20)]);
    }
    client.ask("presence", json!({ "channel": "log" })).await;
}

#[tokio::test]
async fn of_a_token_that_expires_while_its_client_joins() {
    let hub = hub().authorize_join(async |_, _| {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        Ok(())
    });
    let mut limits = ClientLimits::default();
    limits.expiry_grace = Duration::ZERO;
    let endpoint = Endpoint::builder(hub.build())
        .tokens(TokenVerifier::hmac(SECRET).unwrap())
        .limits(limits)
        .build();
    let connection = json!({ "token": token(json!({ "sub": "ada" })) });
    let (mut client, _) = Json::connect_with(&endpoint, connection).await;
    let claims = json!({ "sub": "ada", "channel": "log", "exp": in_seconds(1) });
    client.ask("subscribe", json!({ "channel": "log", "token": token(claims) })).await;
    assert_eq!(client.push().await["unsubscribe"]["code"], 2501);
    assert!(endpoint.hub().sessions()[0].rooms().is_empty());
}

#[tokio::test]
async fn of_the_user_of_a_token_beside_the_one_of_the_session() {
    let endpoint = with_tokens()
        .on_connect(async |_| Ok(Accepted::new(()).user(UserId::new("number 7"))))
        .build();
    let connection = json!({ "token": token(json!({ "sub": "ada" })) });
    let (mut client, _) = Json::connect_with(&endpoint, connection.clone()).await;
    assert_eq!(endpoint.hub().sessions()[0].user().unwrap().as_str(), "number 7");
    client.ask("refresh", connection).await;
    let claims = json!({ "sub": "ada", "channel": "log" });
    client.ask("subscribe", json!({ "channel": "log", "token": token(claims) })).await;
}

#[tokio::test]
async fn and_nobody_waits_for_ever_for_a_hook() {
    let mut limits = ClientLimits::default();
    limits.connect_timeout = Duration::from_millis(100);
    let endpoint: Endpoint = Endpoint::builder(hub().build())
        .on_connect(async |_| pending().await)
        .limits(limits)
        .build();
    for protocol in [Protocol::V1Json, Protocol::CentrifugeJson] {
        let mut ws = open(&endpoint, protocol).await;
        ws.send(r#"{"id":1,"connect":{}}"#).await.unwrap();
        assert_eq!(u16::from(closed(ws).await.code), 3004, "{protocol:?}");
    }
}
