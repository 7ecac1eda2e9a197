use std::time::Duration;

use serde_json::{Value, json};
use sockeye_hub::core::RoomName;
use sockeye_hub::namespaces::{Access, Namespaces, Rules};
use sockeye_hub::protocol::{ClientLimits, Endpoint};
use sockeye_hub::token::TokenVerifier;
use sockeye_hub::{Builder, Hub};

use crate::centrifuge::client::Json;
use crate::centrifuge::server::{SECRET, in_seconds, token, with_tokens};

fn connection(claims: &Value) -> Value {
    json!({ "token": token(claims.clone()) })
}

#[tokio::test]
async fn about_the_connection() {
    let endpoint = with_tokens().build();
    let claims = json!({ "sub": "ada", "exp": in_seconds(600), "channels": ["news"] });
    let (_client, reply) = Json::connect_with(&endpoint, connection(&claims)).await;
    assert_eq!(reply["expires"], true);
    assert!((590..=600).contains(&reply["ttl"].as_u64().unwrap()), "{reply}");
    assert!(reply["subs"]["news"]["positioned"].as_bool().unwrap());
    assert_eq!(endpoint.hub().sessions()[0].user().unwrap().as_str(), "ada");

    let mut client = Json::open(&endpoint).await;
    assert_eq!(client.refused("connect", json!({})).await, 101);
    let expired = json!({ "sub": "ada", "exp": in_seconds(0) - 600 });
    assert_eq!(client.refused("connect", connection(&expired)).await, 109);
    client.send(&json!({ "id": 9, "connect": { "token": "a.b.c" } })).await;
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3500, "invalid token"));

    let endpoint = with_tokens().anonymous(true).build();
    Json::connect(&endpoint).await;
    assert!(endpoint.hub().sessions()[0].user().is_none());
}

/// Returns an endpoint whose rooms of the namespace `private` need a token.
fn private(limits: ClientLimits) -> Endpoint {
    let mut rules = Rules::closed();
    (rules.join, rules.publish, rules.history) = (Access::Token, Access::Token, Access::Token);
    rules.options = Rules::open().options;
    let namespaces = Namespaces::closed().with("private", rules);
    let builder: Builder<()> = Hub::builder();
    Endpoint::builder(builder.namespaces(&namespaces).build())
        .tokens(TokenVerifier::hmac(SECRET).unwrap())
        .namespaces(namespaces)
        .limits(limits)
        .build()
}

#[tokio::test]
async fn about_a_room() {
    let endpoint = private(ClientLimits::default());
    let (mut client, _) = Json::connect_with(&endpoint, connection(&json!({ "sub": "ada" }))).await;
    let room = "private:1";
    let subscribe = |claims: Value| json!({ "channel": room, "token": token(claims) });
    assert_eq!(client.refused("subscribe", json!({ "channel": room })).await, 103);
    assert_eq!(client.refused("publish", json!({ "channel": room, "data": 1 })).await, 103);
    for (claims, code) in [
        (json!({ "sub": "eve", "channel": room }), 103),
        (json!({ "sub": "ada", "channel": "private:2" }), 103),
        (json!({ "sub": "ada" }), 103),
        (json!({ "sub": "ada", "channel": room, "exp": in_seconds(0) - 600 }), 109),
    ] {
        assert_eq!(client.refused("subscribe", subscribe(claims.clone())).await, code, "{claims}");
    }
    let claims = json!({ "sub": "ada", "channel": room, "exp": in_seconds(600) });
    let reply = client.ask("subscribe", subscribe(claims.clone())).await;
    assert_eq!(reply["expires"], true);
    client.ask("publish", json!({ "channel": room, "data": 1 })).await;
    client.ask("history", json!({ "channel": room })).await;
    assert_eq!(client.refused("presence", json!({ "channel": room })).await, 103);
    assert_eq!(client.refused("subscribe", json!({ "channel": "unknown:1" })).await, 103);

    // The SDK for Python names no channel.
    for request in [subscribe(claims.clone()), json!({ "token": token(claims) })] {
        let reply = client.ask("sub_refresh", request).await;
        assert!(reply["ttl"].as_u64().unwrap() > 590);
    }
    client.ask("unsubscribe", json!({ "channel": room })).await;
    assert_eq!(client.refused("history", json!({ "channel": room })).await, 103);
}

#[tokio::test]
async fn about_rooms_that_the_connections_token_names() {
    let endpoint = private(ClientLimits::default());
    let claims = json!({ "sub": "ada", "channels": ["private:1"] });
    let (mut client, _) = Json::connect_with(&endpoint, connection(&claims)).await;
    client.ask("publish", json!({ "channel": "private:1", "data": 1 })).await;
    endpoint.hub().sessions()[0].leave(RoomName::new("private:1").unwrap()).unwrap();
    assert_eq!(client.refused("publish", json!({ "channel": "private:1", "data": 1 })).await, 103);
}

#[tokio::test]
async fn and_is_refreshed() {
    let endpoint = with_tokens().build();
    let claims = |seconds| json!({ "sub": "ada", "exp": in_seconds(seconds) });
    let (mut client, reply) = Json::connect_with(&endpoint, connection(&claims(60))).await;
    let refreshed = client.ask("refresh", connection(&claims(6_000))).await;
    assert_eq!(refreshed["client"], reply["client"]);
    assert!(refreshed["ttl"].as_u64().unwrap() > 5_900);
    let expired = json!({ "sub": "ada", "exp": in_seconds(0) - 600 });
    assert_eq!(client.refused("refresh", connection(&expired)).await, 109);
    client.send(&json!({ "id": 9, "refresh": connection(&json!({ "sub": "eve" })) })).await;
    assert_eq!(u16::from(client.closed().await.code), 3500);
}

#[tokio::test]
async fn and_a_time_of_grace_has_passed() {
    let mut limits = ClientLimits::default();
    limits.expiry_grace = Duration::from_millis(200);
    let endpoint = private(limits);
    let claims = json!({ "sub": "ada", "exp": in_seconds(4) });
    let (mut client, _) = Json::connect_with(&endpoint, connection(&claims)).await;
    let claims = json!({ "sub": "ada", "channel": "private:1", "exp": in_seconds(1) });
    let request = json!({ "channel": "private:1", "token": token(claims) });
    client.ask("subscribe", request).await;
    let unsubscribe = json!({ "code": 2501, "reason": "subscription expired" });
    let expected = json!({ "channel": "private:1", "unsubscribe": unsubscribe });
    assert_eq!(client.push().await, expected);
    assert!(endpoint.hub().sessions()[0].rooms().is_empty());
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), &*frame.reason), (3005, "connection expired"));
}
