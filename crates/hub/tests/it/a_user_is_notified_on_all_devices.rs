//! The example `notifications`.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/notifications.rs"]
mod notifications;

use std::future::IntoFuture;
use std::net::SocketAddr;

use serde_json::{Value, json};
use sockeye::{Client, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::line;

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, notifications::app()).into_future());
    address
}

/// Sends a request, and returns the response.
async fn request(server: SocketAddr, line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn notify(server: SocketAddr, user: &str, headers: &str, text: &str) {
    let line = format!("POST /users/{user}/notifications");
    let response = request(server, &line, headers, text).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
}

/// A session of a user.
struct Device {
    ws: WebSocket,
    position: Option<String>,
}

impl Device {
    async fn connect(server: SocketAddr, user: &str) -> Self {
        let url = format!("ws://{server}/connect?user={user}");
        let ws = Client::new(url).subprotocols(["sockeye.hub.v1"]).connect().await.unwrap();
        let mut device = Self { ws, position: None };
        device.send(&json!({ "id": 1, "connect": {} })).await;
        assert_eq!(device.receive("connect").await["user"], user);
        device
    }

    /// Joins a room from a position, if any, and returns the event.
    async fn join(&mut self, room: &str, from: Option<&str>) -> Value {
        let mut join = json!({ "room": room });
        if let Some(from) = from {
            join["from"] = from.into();
        }
        self.send(&json!({ "id": 2, "join": [join] })).await;
        self.receive("joined").await
    }

    async fn send(&mut self, message: &Value) {
        self.ws.send(message.to_string()).await.unwrap();
    }

    /// Returns the content of the next message of this name.
    async fn receive(&mut self, name: &str) -> Value {
        loop {
            let mut message: Value = serde_json::from_str(&line(&mut self.ws).await).unwrap();
            if let Some(content) = message.get_mut(name) {
                return content.take();
            }
        }
    }

    /// Returns the text of the next notification.
    async fn notification(&mut self) -> String {
        let publication = self.receive("publication").await;
        self.position = publication["position"].as_str().map(str::to_owned);
        publication["data"]["text"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn and_on_one_that_was_away() {
    let server = serve().await;
    let mut phone = Device::connect(server, "ada").await;
    let mut laptop = Device::connect(server, "ada").await;
    let mut other = Device::connect(server, "grace").await;
    phone.join("user:ada", None).await;
    laptop.join("user:ada", None).await;
    other.join("user:grace", None).await;

    notify(server, "ada", "", "your order has left").await;
    assert_eq!(phone.notification().await, "your order has left");
    assert_eq!(laptop.notification().await, "your order has left");
    notify(server, "grace", "", "hello").await;
    assert_eq!(other.notification().await, "hello");

    drop(phone.ws);
    for text in ["your order is near", "your order is here"] {
        // The server may repeat a request whose response was lost.
        let key = format!("idempotency-key: {text}\r\n");
        notify(server, "ada", &key, text).await;
        notify(server, "ada", &key, text).await;
        assert_eq!(laptop.notification().await, text);
    }
    let mut phone_again = Device::connect(server, "ada").await;
    let joined = phone_again.join("user:ada", phone.position.as_deref()).await;
    assert_eq!(joined["recovered"], true, "{joined}");
    let recovered = joined["publications"].as_array().cloned().unwrap_or_default();
    let mut texts: Vec<_> =
        recovered.iter().map(|one| one["data"]["text"].as_str().unwrap().to_owned()).collect();
    while texts.len() < 2 {
        texts.push(phone_again.notification().await);
    }
    assert_eq!(texts, ["your order is near", "your order is here"]);
}

#[tokio::test]
async fn and_nobody_else_is() {
    let server = serve().await;
    let mut other = Device::connect(server, "grace").await;
    other.send(&json!({ "id": 2, "join": [{ "room": "user:ada" }] })).await;
    let refused = other.receive("refused").await;
    assert_eq!(refused["code"], 103, "{refused}");
    let publish = json!({ "room": "user:grace", "data": 1 });
    other.send(&json!({ "id": 3, "publish": publish })).await;
    let error = other.receive("error").await;
    assert_eq!(error["code"], 103, "{error}");
}

#[tokio::test]
async fn and_a_page_shows_it() {
    let server = serve().await;
    let page = request(server, "GET /?user=ada", "", "").await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("sockeye-hub.js"), "{page}");
    let client = request(server, "GET /sockeye-hub.js", "", "").await;
    assert!(client.contains("content-type: text/javascript"), "{}", &client[..200]);
    let name = "x".repeat(1_000);
    let refused = request(server, &format!("POST /users/{name}/notifications"), "", "hi").await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
}
