//! The example `commands`.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/commands.rs"]
mod commands;

use std::net::SocketAddr;

use serde_json::{Value, json};
use sockeye::{Client, WebSocket};
use tokio::net::TcpListener;

use crate::support::line;

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { commands::serve(listener).await.unwrap() });
    address
}

/// Sends a command, and returns the message with its id.
async fn call(ws: &mut WebSocket, id: u64, command: &str, data: Value) -> Value {
    ws.send(json!({ "id": id, "cmd": command, "data": data }).to_string()).await.unwrap();
    loop {
        let message: Value = serde_json::from_str(&line(ws).await).unwrap();
        if message["id"] == id {
            return message;
        }
    }
}

#[tokio::test]
async fn in_json_and_in_text() {
    let server = serve().await;
    let mut ada = sockeye::connect(&format!("ws://{server}/")).await.unwrap();
    let refused = call(&mut ada, 1, "listUsers", json!({ "prefix": "" })).await;
    assert!(refused.to_string().contains("log in first"), "{refused}");
    call(&mut ada, 2, "login", json!("Ada")).await;
    let text = Client::new(format!("ws://{server}/")).subprotocols(["text"]);
    let mut grace = text.connect().await.unwrap();
    grace.send("login Grace").await.unwrap();
    let joined: Value = serde_json::from_str(&line(&mut ada).await).unwrap();
    assert_eq!(joined, json!({ "event": "joined", "data": { "name": "Grace" } }));

    let list = call(&mut ada, 3, "listUsers", json!({ "prefix": "G" })).await;
    assert!(list.to_string().contains(r#"[{"name":"Grace"}]"#), "{list}");
    let renamed = call(&mut ada, 4, "rename", json!({ "to": "Countess" })).await;
    assert!(renamed.to_string().contains(r#"{"name":"Countess"}"#), "{renamed}");
    let taken = call(&mut ada, 5, "rename", json!({ "to": "Grace" })).await;
    assert!(taken.to_string().contains("the name Grace is taken"), "{taken}");
}
