//! The crate `tokio-centrifuge`, which has neither recovery nor presence and history.

use std::fmt::Debug;
use std::time::Duration;

use serde_json::json;
use sockeye_hub::core::UserId;
use tokio::sync::mpsc;
use tokio_centrifuge::client::Client;
use tokio_centrifuge::config::{Config, Protocol};

use crate::centrifuge::server::{in_seconds, serve, token, with_echo};

async fn next<T: Debug>(events: &mut mpsc::UnboundedReceiver<T>) -> T {
    let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
    event.expect("an event in time").expect("the client is there")
}

async fn session(protocol: Protocol) {
    let endpoint = with_echo();
    let hub = endpoint.hub().clone();
    let mut url = serve(endpoint).await;
    let claims = json!({ "sub": "ada", "exp": in_seconds(600) });
    let mut config = Config::new().with_token(token(claims));
    if protocol == Protocol::Protobuf {
        url.push_str("?format=protobuf");
        config = config.use_protobuf();
    }
    let client = Client::new(&url, config);
    let (connections, mut connecting) = mpsc::unbounded_channel();
    let closed = connections.clone();
    client.on_connecting(move |event| connections.send(event.code).unwrap());
    client.on_disconnected(move |event| closed.send(event.code).unwrap());
    client.connect().await.unwrap();
    assert_eq!(next(&mut connecting).await, 0);
    assert_eq!(client.server_info().server_ping, 25);

    let subscription = client.new_subscription("log");
    let (states, mut state) = mpsc::unbounded_channel();
    let ended = states.clone();
    let (publications, mut publication) = mpsc::unbounded_channel();
    subscription.on_subscribed(move |_| states.send(0).unwrap());
    subscription.on_unsubscribed(move |event| ended.send(event.code).unwrap());
    subscription
        .on_publication(move |event| publications.send((event.data, event.offset)).unwrap());
    subscription.subscribe().await.unwrap();
    assert_eq!(next(&mut state).await, 0);

    subscription.publish(b"{\"a\":1}".to_vec()).await.unwrap();
    assert_eq!(next(&mut publication).await, (b"{\"a\":1}".to_vec(), 1));
    client.publish("log", b"[2]".to_vec()).await.unwrap();
    assert_eq!(next(&mut publication).await, (b"[2]".to_vec(), 2));
    assert_eq!(client.rpc("echo", b"3".to_vec()).await.unwrap(), b"3");
    assert!(client.rpc("none", b"3".to_vec()).await.is_err());

    // The client returns after a close code that is not final, and subscribes again.
    hub.close(UserId::new("ada"), 3001, "by the test").await.unwrap();
    next(&mut connecting).await;
    assert_eq!(next(&mut state).await, 0);
    hub.room("log").publish("4").await.unwrap();
    assert_eq!(next(&mut publication).await, (b"4".to_vec(), 3));

    hub.leave(UserId::new("ada"), "log").await.unwrap();
    assert_eq!(next(&mut state).await, 2000);
    hub.close(UserId::new("ada"), 3503, "by the test").await.unwrap();
    next(&mut connecting).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(hub.session_count(), 0);
}

#[tokio::test]
async fn in_json() {
    session(Protocol::Json).await;
}

#[tokio::test]
async fn in_protobuf() {
    session(Protocol::Protobuf).await;
}
