//! The client in a page. The server is the example `hub_browser_peer`, whose addresses are given at
//! compile time: see `ci/web.sh`.
#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use js_sys::Promise;
use sockeye::WebSocket;
use sockeye::reconnect::Backoff;
use sockeye_hub::Recovered;
use sockeye_hub::client::{
    ClientError, ClientEvent, ClientEvents, HistoryRequest, HubClient, HubClientBuilder,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// The URLs of the hub, of the hub behind a relay, and of the relay's control WebSocket.
const PEER: Option<&str> = option_env!("SOCKEYE_HUB_TEST_PEER");

fn peer(number: usize) -> &'static str {
    let words = PEER.expect("the tests are compiled with the URLs of their server: run ci/web.sh");
    words.split(' ').nth(number).expect("three URLs")
}

/// Returns a room that no other test uses.
fn room() -> String {
    format!("room:{}", js_sys::Math::random())
}

fn builder(url: &str, json: bool) -> HubClientBuilder {
    let delay = Duration::from_millis(20);
    let backoff = Backoff::new().base(delay).cap(delay).max_attempts(None);
    let builder = HubClient::builder(url).backoff(backoff);
    if json { builder.json() } else { builder }
}

async fn command(control: &mut WebSocket, command: &str) {
    control.send(command).await.unwrap();
    assert_eq!(control.recv().await.unwrap(), Some(command.into()));
}

/// Returns the next event for which the function returns something.
async fn find<T>(events: &mut ClientEvents, find: impl Fn(&ClientEvent) -> Option<T>) -> T {
    loop {
        let event = events.next().await.expect("the client is open");
        if let Some(found) = find(&event) {
            return found;
        }
    }
}

fn text(event: &ClientEvent) -> Option<String> {
    match event {
        ClientEvent::Publication { publication, .. } => Some(publication.message.to_string()),
        _ => None,
    }
}

fn recovery(event: &ClientEvent) -> Option<Recovered> {
    match event {
        ClientEvent::Joined { joined, .. } => Some(joined.recovery),
        _ => None,
    }
}

fn lost(event: &ClientEvent) -> Option<()> {
    matches!(event, ClientEvent::Disconnected { .. }).then_some(())
}

#[wasm_bindgen_test]
async fn what_was_missed_is_recovered_exactly() {
    const MISSED: usize = 200;

    let mut control = sockeye::connect(peer(2)).await.unwrap();
    for json in [false, true] {
        let room = room();
        let (other, _) = builder(peer(0), json).connect();
        let (client, mut events) = builder(peer(1), json).connect();
        assert_eq!(client.join(&room).await.unwrap().recovery, Recovered::NotAsked);
        assert_eq!(find(&mut events, recovery).await, Recovered::NotAsked);
        other.publish(&room, "0").await.unwrap();
        assert_eq!(find(&mut events, text).await, "0");

        command(&mut control, "die").await;
        find(&mut events, lost).await;
        for number in 1..=MISSED {
            other.publish(&room, number.to_string()).await.unwrap();
        }
        command(&mut control, "live").await;
        assert_eq!(find(&mut events, recovery).await, Recovered::All);
        for number in 1..=MISSED {
            assert_eq!(find(&mut events, text).await, number.to_string());
        }
        client.publish(&room, "last").await.unwrap();
        let last = find(&mut events, text).await;
        assert_eq!(last, if json { r#""last""# } else { "last" });
        let history = client.history(&room, HistoryRequest::default()).await.unwrap();
        assert_eq!(history.position.offset, MISSED as u64 + 2);

        client.close().await;
        while events.next().await.is_some() {}
        assert_eq!(client.publish(&room, "late").await, Err(ClientError::Closed));
    }
}

#[wasm_bindgen_test]
async fn a_token_may_come_from_a_promise() {
    let connecting = builder(peer(0), false).token(async || {
        let token = JsFuture::from(Promise::resolve(&JsValue::from_str("token"))).await;
        Ok(token.ok().and_then(|token| token.as_string()))
    });
    let (client, mut events) = connecting.connect();
    let connected = |event: &ClientEvent| matches!(event, ClientEvent::Connected { .. });
    find(&mut events, |event| connected(event).then_some(())).await;
    client.publish(room(), "hello").await.unwrap();
}

#[wasm_bindgen_test]
async fn a_command_without_a_connection_times_out() {
    let mut control = sockeye::connect(peer(2)).await.unwrap();
    command(&mut control, "die").await;
    let (client, _) = builder(peer(1), false).timeout(Duration::from_millis(100)).connect();
    assert_eq!(client.publish(room(), "hello").await, Err(ClientError::TimedOut));
    command(&mut control, "live").await;
}
