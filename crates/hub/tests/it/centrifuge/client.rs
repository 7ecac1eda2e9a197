//! A client that speaks the protocol in JSON, without an SDK.

use std::time::Duration;

use serde_json::{Value, json};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseFrame, Message, WebSocket};
use sockeye_hub::protocol::{Endpoint, Protocol};

pub(crate) struct Json {
    pub(crate) ws: WebSocket,
    /// The replies and pushes that arrived in one message, in reverse.
    received: Vec<Value>,
    /// The pushes that arrived before a reply.
    pushes: Vec<Value>,
    next_id: u32,
}

/// Returns a client and its server in memory.
pub(crate) async fn pair() -> (WebSocket, WebSocket) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (client, server) = (Client::new("ws://localhost/"), Upgrader::new());
    let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
    (client.unwrap(), server.unwrap())
}

/// Opens a connection that an endpoint serves.
pub(crate) async fn open<S: Send + Sync + 'static>(
    endpoint: &Endpoint<S>,
    protocol: Protocol,
) -> WebSocket {
    let (client, server) = pair().await;
    let endpoint = endpoint.clone();
    tokio::spawn(async move { endpoint.serve_as(server, protocol).await });
    client
}

impl Json {
    /// Opens a connection without connecting.
    pub(crate) async fn open<S: Send + Sync + 'static>(endpoint: &Endpoint<S>) -> Self {
        let ws = open(endpoint, Protocol::CentrifugeJson).await;
        Self { ws, received: Vec::new(), pushes: Vec::new(), next_id: 1 }
    }

    /// Connects anonymously.
    pub(crate) async fn connect<S: Send + Sync + 'static>(endpoint: &Endpoint<S>) -> Self {
        Self::connect_with(endpoint, json!({})).await.0
    }

    /// Connects, and returns the reply as well.
    pub(crate) async fn connect_with<S: Send + Sync + 'static>(
        endpoint: &Endpoint<S>,
        request: Value,
    ) -> (Self, Value) {
        let mut client = Self::open(endpoint).await;
        let reply = client.ask("connect", request).await;
        (client, reply)
    }

    /// Sends a command, and returns the whole reply.
    pub(crate) async fn command(&mut self, name: &str, request: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "id": id, name: request })).await;
        loop {
            let reply = self.next().await;
            if reply["id"] == id {
                return reply;
            }
            self.pushes.insert(0, reply);
        }
    }

    /// Sends a command, and returns its result.
    pub(crate) async fn ask(&mut self, name: &str, request: Value) -> Value {
        let reply = self.command(name, request).await;
        assert!(reply.get("error").is_none(), "{name}: {reply}");
        reply[name].clone()
    }

    /// Sends a command, and returns the code of its error.
    pub(crate) async fn refused(&mut self, name: &str, request: Value) -> u64 {
        let reply = self.command(name, request).await;
        reply["error"]["code"].as_u64().unwrap_or_else(|| panic!("{name}: {reply}"))
    }

    pub(crate) async fn subscribe(&mut self, channel: &str) -> Value {
        self.ask("subscribe", json!({ "channel": channel })).await
    }

    /// Returns the next push.
    pub(crate) async fn push(&mut self) -> Value {
        let push = match self.pushes.pop() {
            Some(push) => push,
            None => self.next().await,
        };
        push.get("push").unwrap_or_else(|| panic!("no push: {push}")).clone()
    }

    /// Returns the next reply, push or ping.
    pub(crate) async fn next(&mut self) -> Value {
        if self.received.is_empty() {
            let received = tokio::time::timeout(Duration::from_secs(60), self.ws.recv()).await;
            let message = received.expect("a message in time").unwrap();
            let message = message.unwrap_or_else(|| panic!("closed: {:?}", self.ws.close_frame()));
            let lines = message.as_text().unwrap().split('\n');
            self.received = lines.rev().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        self.received.pop().unwrap()
    }

    pub(crate) async fn send(&mut self, command: &Value) {
        self.ws.send(command.to_string()).await.unwrap();
    }

    /// Waits for the end of the connection.
    pub(crate) async fn closed(self) -> CloseFrame {
        closed(self.ws).await
    }

    /// Asserts that nothing is on its way.
    pub(crate) async fn nothing_more(&mut self) {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "id": id, "ping": {} })).await;
        assert!(self.pushes.is_empty(), "{:?}", self.pushes);
        assert_eq!(self.next().await, json!({ "id": id, "ping": {} }));
    }
}

/// Waits for the end of a connection.
pub(crate) async fn closed(mut ws: WebSocket) -> CloseFrame {
    let end = async {
        while let Some(Message::Text(_) | Message::Binary(_)) = ws.recv().await.unwrap() {}
    };
    tokio::time::timeout(Duration::from_secs(60), end).await.expect("the end in time");
    ws.close_frame().unwrap().clone()
}

/// Returns the data of the publications of a reply.
pub(crate) fn data(reply: &Value) -> Vec<Value> {
    let publications = reply["publications"].as_array().cloned().unwrap_or_default();
    publications.iter().map(|publication| publication["data"].clone()).collect()
}
