use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sockeye::WebSocket;
use sockeye_hub::api::Api;
use sockeye_hub::bus::Local;
use sockeye_hub::core::UserId;
use sockeye_hub::namespaces::{Namespaces, Rules};
use sockeye_hub::token::Revocations;
use sockeye_hub::{Hub, Session, SessionOptions};

use crate::support::{hub, line, lines, nothing_more, pair};

const KEY: &str = "the key of the tests";

fn api(hub: &Hub) -> Api {
    Api::new(hub.clone()).key(KEY).unwrap()
}

async fn post(api: &Api, path: &str, body: impl Into<Bytes>) -> (StatusCode, Value) {
    let request = Request::post(path).header("X-API-Key", KEY).body(body.into()).unwrap();
    let response = api.handle(request).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status(), serde_json::from_slice(response.body()).unwrap())
}

/// Calls an operation that is answered with a result.
async fn call(api: &Api, operation: &str, request: Value) -> Value {
    let (status, mut response) = post(api, &format!("/api/{operation}"), request.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{response}");
    assert!(response["result"].is_object(), "{response}");
    response["result"].take()
}

/// Calls an operation that fails, and returns its code.
async fn code(api: &Api, operation: &str, request: Value) -> u64 {
    let (status, response) = post(api, &format!("/api/{operation}"), request.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{response}");
    assert!(response["error"]["message"].is_string(), "{response}");
    response["error"]["code"].as_u64().unwrap()
}

async fn connect(hub: &Hub, user: &str) -> (WebSocket, Session) {
    let (client, server) = pair().await;
    (client, hub.connect_with(server, (), SessionOptions::new().user(UserId::new(user))))
}

#[tokio::test]
async fn which_needs_a_key() {
    let hub: Hub = hub().build();
    let request = || Request::post("/api/info").body(Bytes::new()).unwrap();
    let refused = api(&hub).handle(request()).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.body().starts_with(br#"{"error":{"code":101,"#));
    let mut wrong = request();
    wrong.headers_mut().insert("x-api-key", "another key of the tests".parse().unwrap());
    assert_eq!(api(&hub).handle(wrong).await.status(), StatusCode::UNAUTHORIZED);
    let mut right = request();
    right.headers_mut().insert("x-api-key", KEY.parse().unwrap());
    assert!(api(&hub).accepts(right.headers()) && !api(&hub).accepts(request().headers()));
    // Without any key, nobody is let in by mistake.
    let keyless = Api::new(hub.clone());
    assert_eq!(keyless.handle(request()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(keyless.insecure().handle(request()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn by_post_with_json_of_a_limited_length() {
    let hub: Hub = hub().build();
    let limited = api(&hub).max_body(100);
    let get = Request::builder().method(Method::GET).uri("/api/info").header("X-API-Key", KEY);
    let refused = limited.handle(get.body(Bytes::new()).unwrap()).await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "POST");
    for (path, body, status, code) in [
        ("/api/nothing", "{}", StatusCode::NOT_FOUND, 104),
        ("/api/", "{}", StatusCode::NOT_FOUND, 104),
        ("/other", "{}", StatusCode::NOT_FOUND, 104),
        ("/api/publish", "{", StatusCode::BAD_REQUEST, 107),
        ("/api/publish", "[]", StatusCode::OK, 107),
        ("/api/publish", "", StatusCode::OK, 107),
        ("/api/publish", "{\"channel\": 7, \"data\": 1}", StatusCode::OK, 107),
        ("/api/publish", "{\"channel\": \"a\"}", StatusCode::OK, 107),
        ("/api/publish", "{\"channel\": \"\", \"data\": 1}", StatusCode::OK, 107),
        ("/api/publish", "{\"channel\": \"a\", \"b64data\": \"?\"}", StatusCode::OK, 107),
    ] {
        let (answered, response) = post(&limited, path, body).await;
        assert_eq!((answered, &response["error"]["code"]), (status, &json!(code)), "{path} {body}");
    }
    let (status, _) = post(&limited, "/api/publish", vec![b' '; 101]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = post(&limited, "/api/publish", vec![0xff]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(post(&limited, "/api/info", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn to_publish_once_for_each_key_to_one_room_and_to_many() {
    let hub: Hub = hub().build();
    let api = api(&hub);
    let (mut client, session) = connect(&hub, "ada").await;
    for room in ["log", "plain"] {
        session.join(room).await.unwrap();
        line(&mut client).await;
    }
    let request = json!({"channel": "plain", "data": {"text": "hi"}, "tags": {"a": "b"}});
    assert_eq!(call(&api, "publish", request).await, json!({}));
    assert_eq!(line(&mut client).await, r#"plain - {"text":"hi"}"#);

    let request = json!({"channel": "log", "data": "hi", "idempotency_key": "1"});
    let first = call(&api, "publish", request.clone()).await;
    assert_eq!(first["offset"], 1);
    assert_eq!(call(&api, "publish", request).await, first);
    assert_eq!(line(&mut client).await, r#"log 1 "hi""#);

    let channels = ["log", "", "plain"];
    let result = call(&api, "broadcast", json!({"channels": channels, "data": 7})).await;
    assert_eq!(result["responses"][0]["result"]["offset"], 2);
    assert_eq!(result["responses"][1]["error"]["code"], 107);
    assert_eq!(result["responses"][2]["result"], json!({}));
    let mut received = lines(&mut client, 2).await;
    received.sort();
    assert_eq!(received, ["log 2 7", "plain - 7"]);
    nothing_more(&mut client, &session).await;

    let many = vec!["log"; 1_001];
    assert_eq!(code(&api, "broadcast", json!({"channels": many, "data": 7})).await, 106);
    let skipping = json!({"channel": "log", "data": 7, "skip_history": true});
    assert_eq!(code(&api, "publish", skipping).await, 108);
}

#[tokio::test]
async fn to_post_messages_as_they_are() {
    let hub: Hub = hub().build();
    let api = api(&hub);
    let (mut client, session) = connect(&hub, "ada").await;
    session.join("log:1/2").await.unwrap();
    line(&mut client).await;
    let (status, response) = post(&api, "/rooms/log%3A1%2F2/messages", "hello, world").await;
    assert_eq!((status, &response["result"]["offset"]), (StatusCode::OK, &json!(1)));
    assert_eq!(line(&mut client).await, "log:1/2 1 hello, world");

    let binary = |id: &str| {
        Request::post("/rooms/log:1%2F2/messages")
            .header("Authorization", format!("apikey {KEY}"))
            .header("Content-Type", "Application/Octet-Stream; x=y")
            .header("Idempotency-Key", id)
            .body(Bytes::from_static(b"\xff\0"))
            .unwrap()
    };
    let first = api.handle(binary("once")).await;
    let second = api.handle(binary("once")).await;
    assert_eq!((first.status(), first.body()), (StatusCode::OK, second.body()));
    let history = call(&api, "history", json!({"channel": "log:1/2", "limit": 10})).await;
    assert_eq!(history["publications"].as_array().unwrap().len(), 2);
    assert_eq!(history["publications"][0]["data"], "hello, world");
    assert_eq!(history["publications"][1]["b64data"], "/wA=");

    let (status, response) = post(&api, "/rooms/a/messages", vec![0xff]).await;
    assert_eq!((status, &response["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(107)));
    for path in ["/rooms//messages", "/rooms/%ff/messages", "/rooms/%0a/messages"] {
        assert_eq!(post(&api, path, "x").await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn to_read_and_remove_histories() {
    let hub: Hub = hub().build();
    let api = api(&hub);
    for number in 1..=5 {
        call(&api, "publish", json!({"channel": "log", "data": number, "tags": {"n": "x"}})).await;
    }
    let read = async |mut request: Value| {
        request["channel"] = json!("log");
        let result = call(&api, "history", request).await;
        let publications = result["publications"].as_array().unwrap();
        let data: Vec<_> = publications.iter().map(|p| p["data"].as_u64().unwrap()).collect();
        assert_eq!(result["offset"], 5);
        (data, result["epoch"].as_str().unwrap().to_owned())
    };
    let (none, epoch) = read(json!({})).await;
    assert!(none.is_empty());
    let (bare, tag) = epoch.split_once('.').unwrap();
    for (request, expected) in [
        (json!({"limit": -1}), vec![1, 2, 3, 4, 5]),
        (json!({"limit": 1}), vec![1]),
        (json!({"limit": 2, "reverse": true}), vec![5, 4]),
        (json!({"limit": 9, "since": {"offset": 3, "epoch": bare}}), vec![4, 5]),
        (json!({"limit": 1, "since": {"offset": 1}}), vec![2]),
        (json!({"limit": 9, "since": {"offset": 0, "epoch": bare}}), vec![1, 2, 3, 4, 5]),
        (json!({"limit": 9, "since": {"offset": 3}, "reverse": true}), vec![2, 1]),
        (json!({"limit": 9, "since": {"offset": 1}, "reverse": true}), vec![]),
        (json!({"limit": 9, "since": {"offset": 5, "epoch": epoch}}), vec![]),
    ] {
        assert_eq!(read(request.clone()).await.0, expected, "{request}");
    }
    for epoch in ["0", "x", &format!("0.{tag}"), &format!("{bare}.1"), "1.2.3"] {
        let request = json!({"channel": "log", "limit": 9, "since": {"offset": 5, "epoch": epoch}});
        assert_eq!(code(&api, "history", request).await, 112, "{epoch}");
    }
    let publication = &call(&api, "history", json!({"channel": "log", "limit": 1})).await;
    assert_eq!(publication["publications"][0], json!({"data": 1, "offset": 1, "tags": {"n": "x"}}));

    call(&api, "history_remove", json!({"channel": "log"})).await;
    let empty = call(&api, "history", json!({"channel": "log", "limit": -1})).await;
    assert_eq!(empty["publications"], json!([]));
    assert_eq!(code(&api, "history", json!({"channel": "plain"})).await, 108);
    assert_eq!(code(&api, "history_remove", json!({"channel": "plain"})).await, 108);
}

#[tokio::test]
async fn to_move_and_disconnect_sessions_of_all_nodes() {
    let bus = Local::new();
    let [first, second]: [Hub; 2] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    let api = api(&first);
    let (mut ada, mut ada_session) = connect(&first, "ada").await;
    let (mut phone, mut phone_session) = connect(&second, "ada").await;
    call(&api, "subscribe", json!({"channel": "present:a", "user": "ada"})).await;
    assert_eq!(line(&mut ada).await, "present:a joined -");
    assert_eq!(line(&mut phone).await, "present:a joined -");
    let members = |count: usize| {
        let api = api.clone();
        async move {
            // The members of the other node are known after some milliseconds.
            loop {
                let stats = call(&api, "presence_stats", json!({"channel": "present:a"})).await;
                if stats["num_clients"] == count {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    assert_eq!(members(2).await["num_users"], 1);
    let result = call(&api, "presence", json!({"channel": "present:a"})).await;
    let id = phone_session.id().to_string();
    assert_eq!(result["presence"][&id], json!({"client": id, "user": "ada"}));
    let page = call(&api, "presence", json!({"channel": "present:a", "limit": 1})).await;
    let after = page["next"].as_str().unwrap();
    let next = call(&api, "presence", json!({"channel": "present:a", "after": after})).await;
    assert_eq!(next["presence"].as_object().unwrap().len(), 1);
    assert!(next["presence"][after].is_null() && next["next"].is_null());

    call(&api, "unsubscribe", json!({"channel": "present:a", "client": id})).await;
    members(1).await;
    let kept = json!({"user": "ada", "whitelist": [ada_session.id().to_string()]});
    call(&api, "disconnect", kept).await;
    let (closed, ended) = tokio::join!(
        async { while phone.recv().await.unwrap().is_some() {} },
        phone_session.recv()
    );
    assert_eq!((closed, ended.unwrap()), ((), None));
    assert_eq!(u16::from(phone.close_frame().unwrap().code), 3503);
    let close = json!({"code": 4001, "reason": "banned"});
    call(&api, "disconnect", json!({"user": "ada", "disconnect": close})).await;
    let (closed, ended) =
        tokio::join!(async { while ada.recv().await.unwrap().is_some() {} }, ada_session.recv());
    assert_eq!((closed, ended.unwrap()), ((), None));
    assert_eq!(ada.close_frame().unwrap().reason.as_str(), "banned");

    for request in [
        json!({}),
        json!({"user": ""}),
        json!({"client": "nobody"}),
        json!({"user": "ada", "disconnect": {"code": 1000}}),
        json!({"user": "ada", "disconnect": {"code": 5000}}),
        json!({"user": "ada", "disconnect": {"code": 4000, "reason": "x".repeat(124)}}),
        json!({"client": id, "whitelist": [id]}),
    ] {
        assert_eq!(code(&api, "disconnect", request.clone()).await, 107, "{request}");
    }
    assert_eq!(code(&api, "presence", json!({"channel": "plain"})).await, 108);
    assert_eq!(code(&api, "refresh", json!({"user": "ada"})).await, 108);
}

#[tokio::test]
async fn to_list_the_nodes_and_the_rooms_of_all_nodes() {
    let bus = Local::new();
    let [first, second]: [Hub; 2] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    let api = api(&first);
    let (_one, one) = connect(&first, "ada").await;
    let (_two, two) = connect(&second, "bob").await;
    for room in ["chat:1", "chat:2", "news"] {
        one.join(room).await.unwrap();
    }
    two.join("chat:2").await.unwrap();
    let info = loop {
        let info = call(&api, "info", json!({})).await;
        if info["nodes"].as_array().unwrap().len() == 2 {
            break info;
        }
        // The nodes know each other after some milliseconds.
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let nodes = info["nodes"].as_array().unwrap();
    let node = |id: String| nodes.iter().find(|node| node["uid"] == id).unwrap();
    let own = node(first.node().to_string());
    assert_eq!((&own["num_clients"], &own["num_users"]), (&json!(1), &json!(1)));
    assert_eq!((&own["num_channels"], &own["num_subs"]), (&json!(3), &json!(3)));
    assert_eq!(node(second.node().to_string())["num_channels"], 1);
    assert!(info["silent"].is_null());

    let all = call(&api, "channels", json!({})).await;
    let expected = json!({
        "chat:1": {"num_clients": 1}, "chat:2": {"num_clients": 2}, "news": {"num_clients": 1},
    });
    assert_eq!(all, json!({"channels": expected}));
    let chats = call(&api, "channels", json!({"pattern": "chat:*", "limit": 1})).await;
    assert_eq!(chats["channels"].as_object().unwrap().keys().collect::<Vec<_>>(), ["chat:1"]);
    assert_eq!(chats["next"], "chat:1");
    let rest = json!({"pattern": "chat:*", "limit": 1, "after": "chat:1"});
    let rest = call(&api, "channels", rest).await;
    assert_eq!(rest, json!({"channels": {"chat:2": {"num_clients": 2}}}));
}

#[tokio::test]
async fn to_do_several_things_at_once() {
    let hub: Hub = hub().build();
    let api = api(&hub);
    for parallel in [false, true] {
        let commands = json!([
            {"publish": {"channel": "log", "data": 1}},
            {"history_remove": {"channel": "plain"}},
            {"nothing": {}},
            {"batch": {"commands": []}},
            {"presence_stats": {"channel": "present"}},
            {},
            {"publish": {"channel": "log"}},
        ]);
        let result = call(&api, "batch", json!({"commands": commands, "parallel": parallel})).await;
        let replies = result["replies"].as_array().unwrap();
        assert_eq!(replies[0]["publish"]["offset"], 1 + u64::from(parallel));
        for (index, code) in [(1, 108), (2, 104), (3, 104), (5, 107), (6, 107)] {
            assert_eq!(replies[index]["error"]["code"], code, "{}", replies[index]);
        }
        assert_eq!(replies[4], json!({"presence_stats": {"num_clients": 0, "num_users": 0}}));
        assert_eq!(replies.len(), 7);
    }
    let many = vec![json!({"info": {}}); 1_001];
    assert_eq!(code(&api, "batch", json!({"commands": many})).await, 106);
}

#[tokio::test]
async fn in_rooms_that_have_rules() {
    let hub: Hub = hub().build();
    let namespaces = Namespaces::closed().with("chat", Rules::closed());
    let api = api(&hub).namespaces(&namespaces);
    call(&api, "publish", json!({"channel": "chat:1", "data": 1})).await;
    assert_eq!(code(&api, "publish", json!({"channel": "news:1", "data": 1})).await, 102);
    assert_eq!(post(&api, "/rooms/news:1/messages", "x").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn to_revoke_tokens() {
    let hub: Hub = hub().build();
    let revocations = Revocations::new();
    let without = api(&hub);
    let api = without.clone().revocations(revocations.clone());
    let later = 4_102_444_800_u64;
    call(&api, "revoke_token", json!({"uid": "1", "expire_at": later})).await;
    call(&api, "invalidate_user_tokens", json!({"user": "eve", "expire_at": later})).await;
    let now = std::time::SystemTime::now();
    assert!(revocations.is_revoked(Some("1"), &UserId::new("ada"), None, now));
    assert!(revocations.is_revoked(None, &UserId::new("eve"), None, now));
    assert!(!revocations.is_revoked(Some("2"), &UserId::new("ada"), None, now));
    assert_eq!(code(&api, "revoke_token", json!({"uid": "1"})).await, 107);
    let full = without.clone().revocations(Revocations::with_capacity(0));
    let request = json!({"uid": "1", "expire_at": later});
    assert_eq!(code(&full, "revoke_token", request).await, 106);
    let request = json!({"uid": "1", "expire_at": later});
    assert_eq!(code(&without, "revoke_token", request).await, 108);
}

#[tokio::test]
async fn to_revoke_tokens_on_all_nodes() {
    let bus = Local::new();
    let lists = [Revocations::new(), Revocations::with_capacity(1)];
    let [first, second] =
        lists.clone().map(|list| -> Hub { hub().bus(bus.clone()).revocations(list).build() });
    let api = api(&first);
    while first.node_reports().await.unwrap().nodes.len() < 2 {
        // The nodes know each other after some milliseconds.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (later, now) = (4_102_444_800_u64, std::time::SystemTime::now());
    call(&api, "revoke_token", json!({"uid": "1", "expire_at": later})).await;
    for list in &lists {
        assert!(list.is_revoked(Some("1"), &UserId::new("ada"), None, now));
    }
    // The list of the second node is full.
    let request = json!({"user": "eve", "expire_at": later}).to_string();
    let (_, response) = post(&api, "/api/invalidate_user_tokens", request).await;
    assert_eq!(response["error"]["code"], 100);
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains(&second.node().to_string()), "{message}");
    assert!(lists[0].is_revoked(None, &UserId::new("eve"), None, now));
}
