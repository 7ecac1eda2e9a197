use bytes::Bytes;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use sockeye_gateway::Gateway;
use sockeye_gateway_testing::Server;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::frames::{FrameSender, frames};
use crate::support::{Fetched, LIMIT, ServedGateway, next_data, upstream};

async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    (server, gateway)
}

async fn post(gateway: &ServedGateway, target: &str, accept: &str, body: &str) -> Fetched {
    let request = Request::post(target)
        .header("content-type", "application/json")
        .header("accept", accept)
        .body(body.to_owned());
    gateway.fetch(request.unwrap()).await
}

#[tokio::test]
async fn each_line_arrives_whole_with_its_end() {
    let (_server, gateway) = serve().await;
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    let first = timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    assert!(first.ends_with(b"}\n"), "{first:?}");
    // An error is a line, too.
    let fetched =
        post(&gateway, "/v1/fail", "*/*", r#"{"code":9,"message":"late","number":1}"#).await;
    assert!(fetched.text().ends_with("}\n"), "{fetched:?}");
    assert_eq!(fetched.text().lines().count(), 2);
}

#[tokio::test]
async fn an_error_of_events_comes_before_their_end() {
    let (_server, gateway) = serve().await;
    let body = r#"{"code":9,"message":"late","number":1}"#;
    let fetched = post(&gateway, "/v1/fail", "text/event-stream", body).await;
    let events: Vec<_> = fetched.text().split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.len(), 3, "{events:?}");
    let error = events[1].strip_prefix("event: error\ndata: ").unwrap();
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!((&error["code"], &error["message"]), (&json!(9), &json!("late")));
    let end = events[2].strip_prefix("event: end\ndata: ").unwrap();
    let end: Value = serde_json::from_str(end).unwrap();
    assert_eq!(end["status"]["code"], 9);
    // Before the first message, the error has its own HTTP status.
    let fetched =
        post(&gateway, "/v1/fail", "text/event-stream", r#"{"code":9,"message":"early"}"#).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (400, &json!(9)));
    assert_eq!(fetched.headers["content-type"], "application/json");
}

#[tokio::test]
async fn an_array_is_valid_json_even_with_an_error_or_empty() {
    let server = Server::start().await;
    let gateway = Gateway::builder().upstream(upstream(&server.url())).array_streams(true).build();
    let gateway = ServedGateway::start(gateway).await;
    let fetched = gateway.get("/v1/repeat/x?number=2").await;
    assert_eq!(fetched.headers["content-type"], "application/json");
    assert_eq!(fetched.json()[1]["result"]["number"], "1");
    assert_eq!(gateway.get("/v1/repeat/x?number=0").await.json(), json!([]));
    let body = r#"{"code":9,"message":"late","number":1}"#;
    let fetched = post(&gateway, "/v1/fail", "*/*", body).await;
    assert_eq!(fetched.json()[1]["error"]["code"], 9);
    // A client that accepts lines gets them.
    let fetched = post(&gateway, "/v1/fail", "application/x-ndjson", body).await;
    assert_eq!(fetched.text().lines().count(), 2);
}

#[tokio::test]
async fn messages_stand_alone_on_request() {
    let server = Server::start().await;
    let gateway = Gateway::builder().upstream(upstream(&server.url())).unwrapped_streams(true);
    let gateway = ServedGateway::start(gateway.build()).await;
    let body = r#"{"code":9,"message":"late","number":1}"#;
    let fetched = post(&gateway, "/v1/fail", "*/*", body).await;
    let lines: Vec<Value> =
        fetched.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["number"], &lines[1]["error"]["code"]), (&json!("0"), &json!(9)));
}

#[tokio::test]
async fn both_directions_go_on_at_a_time_over_http_2() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.post("/v1/chat", "{}").await;
    assert_eq!(fetched.status, 505);
    assert!(fetched.json()["message"].as_str().unwrap().contains("WebSocket"));
    let (mut response, requests) = chat(&gateway).await;
    for text in ["a", "b"] {
        let request = format!("{{\"text\":\"{text}\"}}");
        requests.send(http_body::Frame::data(Bytes::from(request))).await.unwrap();
        let reply = timeout(LIMIT, next_data(&mut response)).await.unwrap().unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply["result"]["text"], text);
    }
    drop(requests);
    while let Some(data) = timeout(LIMIT, next_data(&mut response)).await.unwrap() {
        // HTTP/2 ends a stream with an empty frame.
        assert!(data.is_empty(), "{data:?}");
    }
}

/// Begins a call of `Chat` over HTTP/2.
async fn chat(gateway: &ServedGateway) -> (Incoming, FrameSender) {
    let authority = gateway.url().replace("http://", "");
    let stream = TokioIo::new(TcpStream::connect(&authority).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (requests, body) = frames();
    let request = Request::post(format!("{}/v1/chat", gateway.url()))
        .version(Version::HTTP_2)
        .header("content-type", "application/json")
        .body(body);
    let response = timeout(LIMIT, sender.send_request(request.unwrap())).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    (response.into_body(), requests)
}
