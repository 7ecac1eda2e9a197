//! Graceful shutdown: clients of the hub get a close frame with a hint when to return.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;
use sockeye::{CloseCode, Shutdown};

use crate::program::Server;
use crate::program::hub::HubClient;

#[tokio::test(flavor = "multi_thread")]
async fn with_1001_and_a_hint_when_to_return() {
    let server = Server::start(&["--shutdown-timeout", "1h"]);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = HubClient::connect(&server).await;
        client.join(json!({ "room": "lobby" })).await;
        clients.push(client.ws);
    }
    server.signal("TERM");
    for mut ws in clients {
        while ws.recv().await.unwrap().is_some() {}
        let frame = ws.close_frame().unwrap();
        assert_eq!(frame.code, CloseCode::GOING_AWAY);
        assert!(Shutdown::retry_hint(frame).is_some(), "{frame}");
    }
    assert_eq!(server.wait().code(), Some(0));
}
