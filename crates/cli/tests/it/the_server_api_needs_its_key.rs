//! Programs publish by the server API with the key, and to rooms that anybody may publish to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::program::Server;
use crate::program::hub::HubClient;

pub(crate) const KEY: &str = "a-key-of-the-tests";

/// The number of servers with a key that were started: tests run at the same time.
static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// Starts a server whose API needs [`KEY`].
pub(crate) fn server_with_key(flags: &[&str]) -> Server {
    let number = SERVERS.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("api-key-{number}"));
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let mut arguments = vec!["--api-key-file", path.to_str().unwrap()];
    arguments.extend(flags);
    Server::start(&arguments)
}

fn json_of(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).unwrap()
}

const PUBLISH: &str = r#"{"channel":"lobby","data":{"text":"from the API"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn with_the_key_a_program_publishes_and_reads() {
    let server = server_with_key(&[]);
    let mut client = HubClient::connect(&server).await;
    client.join(json!({ "room": "lobby" })).await;
    for header in [format!("x-api-key: {KEY}\r\n"), format!("authorization: apikey {KEY}\r\n")] {
        let answer = json_of(&server.post("/api/publish", &header, PUBLISH));
        assert!(answer.get("result").is_some(), "{answer}");
        assert_eq!(client.publications(1).await, [json!({ "text": "from the API" })]);
    }
    let header = format!("x-api-key: {KEY}\r\n");
    let history = r#"{"channel":"lobby","limit":10}"#;
    let answer = json_of(&server.post("/api/history", &header, history));
    let publications = answer["result"]["publications"].as_array().unwrap();
    assert_eq!(publications.len(), 2, "{answer}");
    let answer = json_of(&server.post("/api/presence_stats", &header, r#"{"channel":"lobby"}"#));
    assert_eq!(answer["result"]["num_clients"], 1, "{answer}");
}

#[test]
fn without_the_key_there_is_no_access() {
    let server = server_with_key(&[]);
    for header in ["", "x-api-key: a-key-of-the-test\r\n", "authorization: Bearer x\r\n"] {
        let answer = server.post("/api/publish", header, PUBLISH);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{header}: {answer}");
        assert!(answer.contains("X-API-Key"), "{answer}");
    }
    let header = format!("x-api-key: {KEY}\r\n");
    let answer = server.post("/api/no_such_method", &header, "{}");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(server.get("/api/publish").starts_with("HTTP/1.1 401 "));
}

#[test]
fn without_a_key_file_the_api_is_off() {
    let answer = Server::start(&[]).post("/api/publish", "x-api-key: any\r\n", PUBLISH);
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("--api-key-file"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_anybody_posts_to_a_room() {
    let server = Server::start(&[]);
    let mut client = HubClient::connect(&server).await;
    client.join(json!({ "room": "salmon run" })).await;
    let answer = server.post("/rooms/salmon%20run/messages", "", "text that is no JSON");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let own = format!("origin: http://{}\r\n", server.address);
    let answer = server.post("/rooms/salmon%20run/messages", &own, r#"{"json":true}"#);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(
        client.publications(2).await,
        [json!("text that is no JSON"), json!({ "json": true })]
    );
}

#[test]
fn pages_of_other_origins_do_not_post_to_a_room() {
    let server = Server::start(&["--allow-origin", "https://*.example.com"]);
    let post = |origin: &str| {
        server.post("/rooms/lobby/messages", &format!("origin: {origin}\r\n"), "hello")
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let answer = post(origin);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{origin}: {answer}");
        assert!(answer.contains("--allow-origin"), "{origin}: {answer}");
    }
    assert!(post("https://app.example.com").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_room_is_posted_to_as_its_rules_say() {
    let rules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("api-rules.toml");
    std::fs::write(&rules, RULES).unwrap();
    let server = server_with_key(&["--hub-config", rules.to_str().unwrap()]);
    let key = format!("x-api-key: {KEY}\r\n");
    for (room, headers, status) in [
        ("news:today", "", 403),
        ("news:today", key.as_str(), 200),
        ("news:today", "x-api-key: wrong\r\n", 401),
        ("news:today", "authorization: ApiKey wrong\r\n", 401),
        ("chat:1", "", 200),
        // Not a key: it may be meant for a proxy.
        ("chat:1", "authorization: Basic YWRhOng=\r\n", 200),
        ("unknown:1", "", 403),
    ] {
        let answer = server.post(&format!("/rooms/{room}/messages"), headers, "hello");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{room} {headers}: {answer}");
    }
}

#[test]
fn the_example_of_the_documentation_is_accepted() {
    let page = include_str!("../../../../docs/hub-config.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let rules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-rules.toml");
    std::fs::write(&rules, example).unwrap();
    let server = server_with_key(&["--hub-config", rules.to_str().unwrap()]);
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_lists_rooms_whose_members_anybody_may_see_and_with_the_key_all() {
    let rules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("overview-rules.toml");
    std::fs::write(&rules, OVERVIEW_RULES).unwrap();
    let server = server_with_key(&["--hub-config", rules.to_str().unwrap()]);
    let mut client = HubClient::connect(&server).await;
    for room in ["hidden:1", "open:1"] {
        client.join(json!({ "room": room })).await;
    }
    let rooms = |header: &str| -> Vec<_> {
        let overview = json_of(&server.get_with("/hub.json", header));
        let rooms = overview["rooms"].as_array().unwrap().iter();
        rooms.map(|room| room["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rooms(""), ["open:1"]);
    assert_eq!(rooms(&format!("x-api-key: {KEY}\r\n")), ["hidden:1", "open:1"]);
}

const OVERVIEW_RULES: &str = r#"
[namespaces.open]
may_join = "anybody"
may_see_presence = "anybody"
presence = true

[namespaces.hidden]
may_join = "anybody"
may_see_presence = "member"
presence = true
"#;

/// Anybody may chat, and only the server publishes news.
const RULES: &str = r#"
[namespaces.chat]
may_join = "anybody"
may_publish = "anybody"

[namespaces.news]
may_join = "anybody"
history_size = 100
"#;
