//! `sockeye call --protocol websocket` speaks `sockeye.grpc.v1`: here with a server of the test
//! that checks each message by the text of the protocol.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use serde_json::{Value, json};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Message, WebSocket};
use sockeye_gateway_testing::DESCRIPTORS;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::program::grpc::{ECHO, Outcome, outcome};

const SUBPROTOCOL: &str = "sockeye.grpc.v1";

/// The credit of a client at the beginning of a call.
const CREDIT: i64 = 65_536;

/// A server for one connection.
struct Server {
    runtime: Runtime,
    address: String,
    task: JoinHandle<Vec<Value>>,
    descriptors: PathBuf,
}

impl Server {
    /// Starts a server, which runs `serve` for a connection of this subprotocol and returns the
    /// messages of text that `serve` has collected.
    fn start<F, S>(name: &str, subprotocol: &'static str, serve: F) -> Self
    where
        F: FnOnce(WebSocket) -> S + Send + 'static,
        S: Future<Output = Vec<Value>> + Send,
    {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = runtime.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let options = Options::new().subprotocols([subprotocol]);
            let ws = Upgrader::new().options(options).accept(stream).await.unwrap();
            serve(ws).await
        });
        let file = format!("sockeye-websocket-{name}-{}.bin", std::process::id());
        let descriptors = std::env::temp_dir().join(file);
        std::fs::write(&descriptors, DESCRIPTORS).unwrap();
        Self { runtime, address, task, descriptors }
    }

    /// Makes a call, and returns its outcome and the messages of text.
    fn call(self, method: &str, data: &str, flags: &[&str]) -> (Outcome, Vec<Value>) {
        let method = format!("{ECHO}/{method}");
        let set = self.descriptors.to_str().unwrap();
        let mut arguments = vec![self.address.as_str(), &method, "-d", data];
        arguments.extend(["--protocol", "websocket", "--output", "ndjson"]);
        arguments.extend(["--descriptor-set", set]);
        arguments.extend(flags);
        let called = outcome(&arguments);
        std::fs::remove_file(&self.descriptors).unwrap();
        let texts = self.runtime.block_on(self.task).unwrap();
        (called, texts)
    }
}

async fn send(ws: &mut WebSocket, message: &Value) {
    ws.send(message.to_string()).await.unwrap();
}

/// Returns each request of a call, and ends the call with `end`. Checks the credit of the client.
async fn echo(mut ws: WebSocket, end: Value) -> Vec<Value> {
    let (mut texts, mut credit) = (Vec::new(), CREDIT);
    while let Some(message) = ws.recv().await.unwrap() {
        let is_last = match message {
            Message::Text(text) => {
                let text: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(text["id"], 1);
                if text["start"].is_object() {
                    let headers = json!({"id": 1, "headers": {"x-echo": ["from the server"]}});
                    send(&mut ws, &headers).await;
                }
                texts.push(text);
                texts.last().is_some_and(|text| text["half_close"] == true)
            }
            Message::Binary(bytes) => {
                assert!(credit > 0, "a message without credit");
                credit -= i64::try_from(bytes.len()).unwrap();
                assert!(bytes[0] <= 1 && bytes[1..5] == [0, 0, 0, 1], "{:?}", &bytes[..5]);
                let mut answer = bytes.to_vec();
                answer[0] = 0;
                ws.send(answer).await.unwrap();
                if credit <= 0 {
                    send(&mut ws, &json!({"id": 1, "credit": CREDIT})).await;
                    credit += CREDIT;
                }
                bytes[0] == 1
            }
        };
        if is_last {
            send(&mut ws, &json!({"id": 2, "end": {"code": 13}})).await;
            send(&mut ws, &json!({"id": 1, "end": end})).await;
        }
    }
    texts
}

fn success() -> Value {
    json!({"code": 0, "status": "ok", "message": "", "details": [],
           "trailers": {"x-trailer": ["t"]}})
}

#[test]
fn a_unary_call_is_a_start_and_a_message() {
    let server = Server::start("unary", SUBPROTOCOL, |ws| echo(ws, success()));
    let flags = ["-H", "x-tag: a", "-H", "x-tag: b", "--timeout", "1h", "--headers"];
    let (called, texts) = server.call("Unary", r#"{"text":"x"}"#, &flags);
    assert_eq!((called.code, &*called.out), (0, "{\"text\":\"x\"}\n"), "{}", called.errors);
    let shown = "headers:\n  x-echo: from the server\ntrailers:\n  x-trailer: t\n";
    assert_eq!(called.errors, shown);
    let [start] = &texts[..] else { panic!("{texts:?}") };
    let start = &start["start"];
    assert_eq!(start["method"], format!("{ECHO}/Unary"));
    assert_eq!(
        (&start["codec"], &start["credit"]),
        (&json!("proto"), &json!(9_007_199_254_740_991_u64))
    );
    assert_eq!(start["metadata"], json!({"x-tag": ["a", "b"]}));
    let timeout = start["timeout_ms"].as_u64().unwrap();
    assert!((1..=3_600_000).contains(&timeout), "{timeout}");
}

#[test]
fn a_stream_waits_for_credit_and_ends_with_half_close() {
    let server = Server::start("stream", SUBPROTOCOL, |ws| echo(ws, success()));
    let text = "x".repeat(40_000);
    let data = format!("{{\"text\":\"{text}\"}}\n").repeat(3);
    let (called, texts) = server.call("Chat", &data, &[]);
    assert_eq!(called.code, 0, "{}", called.errors);
    assert_eq!(called.out, data);
    assert_eq!(texts[1..], [json!({"id": 1, "half_close": true})]);
}

#[test]
fn an_error_has_its_code_and_its_details() {
    let detail = json!({"@type": "type.googleapis.com/a.B", "why": "w"});
    let end = json!({"code": 5, "status": "not_found", "message": "no book",
                     "details": [detail], "trailers": {}});
    let server = Server::start("error", SUBPROTOCOL, |ws| echo(ws, end));
    let (called, _) = server.call("Repeat", "{}", &[]);
    assert_eq!(called.code, 69, "{}", called.errors);
    let line = "sockeye: NOT_FOUND (5): no book\n  detail: {\"@type\":\"type.googleapis.com/a.B\"";
    assert!(called.errors.starts_with(line), "{}", called.errors);
}

#[test]
fn a_server_of_another_subprotocol_is_refused() {
    let server = Server::start("other", "chat", |mut ws| async move {
        while let Ok(Some(_)) = ws.recv().await {}
        Vec::new()
    });
    let (called, _) = server.call("Unary", "{}", &[]);
    assert_eq!(called.code, 6, "{}", called.errors);
    assert!(called.errors.contains(SUBPROTOCOL), "{}", called.errors);
}

#[test]
fn a_connection_that_ends_before_the_call_is_an_error() {
    let server = Server::start("lost", SUBPROTOCOL, |mut ws| async move {
        ws.recv().await.unwrap();
        ws.close(4400, "no such\nmessage").await.unwrap();
        Vec::new()
    });
    let (called, _) = server.call("Unary", "{}", &[]);
    assert_eq!(called.code, 8, "{}", called.errors);
    assert!(called.errors.contains(r"no such\nmessage"), "{}", called.errors);
}
