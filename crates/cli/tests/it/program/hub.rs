//! Clients of the hub that write each message by hand.

use serde_json::{Value, json};
use sockeye::{Client, WebSocket};

use super::Server;

/// A client of `sockeye.hub.v1` in JSON.
#[derive(Debug)]
pub(crate) struct HubClient {
    pub(crate) ws: WebSocket,
    last_id: u64,
    /// Events that arrived before a reply.
    events: Vec<Value>,
}

impl HubClient {
    /// Connects without a token.
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_with_session(server).await.0
    }

    /// Connects without a token, and returns the id of the session too.
    pub(crate) async fn connect_with_session(server: &Server) -> (Self, Value) {
        let mut client = Self::open(server).await;
        let session = client.request("connect", json!({})).await["session"].take();
        (client, session)
    }

    /// Opens a WebSocket to `/hub`, and sends nothing.
    pub(crate) async fn open(server: &Server) -> Self {
        let url = format!("ws://{}/hub", server.address);
        let ws = Client::new(url).subprotocols(["sockeye.hub.v1"]).connect().await.unwrap();
        assert_eq!(ws.subprotocol(), Some("sockeye.hub.v1"));
        Self { ws, last_id: 0, events: Vec::new() }
    }

    /// Sends a command and returns the reply, which may be an error.
    pub(crate) async fn try_request(&mut self, name: &str, content: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.ws.send(json!({ "id": id, name: content }).to_string()).await.unwrap();
        loop {
            let message = self.receive().await;
            if message["id"] == id {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Sends a command and returns the content of the reply.
    pub(crate) async fn request(&mut self, name: &str, content: Value) -> Value {
        let mut reply = self.try_request(name, content).await;
        assert!(reply.get(name).is_some(), "{name}: {reply}");
        reply[name].take()
    }

    /// Returns the content of the next event of this name, and drops those before it.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let mut event = self.next_event().await;
            if event.get(name).is_some() {
                return event[name].take();
            }
        }
    }

    /// Joins a room, and returns the event that tells the outcome.
    pub(crate) async fn join(&mut self, join: Value) -> Value {
        self.request("join", json!([join])).await;
        let mut joined = self.event("joined").await;
        // The first recovered publications come with the event.
        if let Value::Array(recovered) = joined["publications"].take() {
            let recovered = recovered.into_iter().map(|one| json!({ "publication": one }));
            self.events.splice(0..0, recovered);
        }
        joined
    }

    /// Returns the data of the next `count` publications.
    pub(crate) async fn publications(&mut self, count: usize) -> Vec<Value> {
        let mut data = Vec::new();
        while data.len() < count {
            let mut event = self.next_event().await;
            if let Some(one) = event.get_mut("publication") {
                data.push(one["data"].take());
            }
        }
        data
    }

    /// Returns the next event.
    pub(crate) async fn next_event(&mut self) -> Value {
        if self.events.is_empty() { self.receive().await } else { self.events.remove(0) }
    }

    async fn receive(&mut self) -> Value {
        let message = self.ws.recv().await.unwrap().expect("the connection is open");
        serde_json::from_str(message.as_text().expect("JSON is text")).unwrap()
    }
}

/// A client of centrifuge's protocol in JSON.
#[derive(Debug)]
pub(crate) struct CentrifugeClient {
    ws: WebSocket,
    last_id: u64,
    /// Lines that were not returned yet.
    lines: Vec<Value>,
}

impl CentrifugeClient {
    /// Connects without a token and without a subprotocol, as the SDKs do.
    pub(crate) async fn connect(server: &Server) -> Self {
        let url = format!("ws://{}/connection/websocket", server.address);
        let ws = sockeye::connect(&url).await.unwrap();
        let mut client = Self { ws, last_id: 0, lines: Vec::new() };
        client.request("connect", json!({})).await;
        client
    }

    /// Sends a command and returns the content of the reply.
    pub(crate) async fn request(&mut self, name: &str, content: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.ws.send(json!({ "id": id, name: content }).to_string()).await.unwrap();
        let mut pushes = Vec::new();
        loop {
            let mut line = self.line().await;
            if line["id"] == id {
                assert!(line.get(name).is_some(), "{name}: {line}");
                self.lines.splice(0..0, pushes);
                return line[name].take();
            }
            pushes.push(line);
        }
    }

    /// Returns the data of the next publication.
    pub(crate) async fn publication(&mut self) -> Value {
        loop {
            let mut line = self.line().await;
            if line["push"].get("pub").is_some() {
                return line["push"]["pub"]["data"].take();
            }
        }
    }

    async fn line(&mut self) -> Value {
        while self.lines.is_empty() {
            let message = self.ws.recv().await.unwrap().expect("the connection is open");
            let text = message.as_text().expect("JSON is text");
            self.lines
                .extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        self.lines.remove(0)
    }
}
