use http::Request;
use serde_json::{Value, json};
use sockeye::{Message, WebSocket};
use sockeye_gateway_testing::Server;
use tokio::time::timeout;

use crate::sockets::{SERVICE, client, connect, receive, receive_close, serve};
use crate::support::{LIMIT, ServedGateway, wait_for};

async fn open(gateway: &ServedGateway, path: &str) -> WebSocket {
    connect(client(gateway, path)).await
}

async fn receive_json(socket: &mut WebSocket) -> Value {
    let message = receive(socket).await;
    serde_json::from_str(message.as_text().expect("messages are text")).unwrap()
}

/// Receives all messages, and the close code.
async fn finish(socket: &mut WebSocket) -> (Vec<Value>, u16) {
    let mut messages = Vec::new();
    while let Some(message) = timeout(LIMIT, socket.recv()).await.unwrap().unwrap() {
        messages.push(serde_json::from_str(message.as_text().unwrap()).unwrap());
    }
    (messages, socket.close_frame().unwrap().code.into())
}

async fn plain() -> (Server, ServedGateway) {
    serve(|builder| builder).await
}

#[tokio::test]
async fn a_route_without_a_body_needs_no_message() {
    let (_server, gateway) = plain().await;
    let mut socket = open(&gateway, "/v1/repeat/x?number=2").await;
    let (messages, code) = finish(&mut socket).await;
    let numbers: Vec<_> = messages.iter().map(|line| &line["result"]["number"]).collect();
    assert_eq!((numbers, code), (vec![&json!("0"), &json!("1")], 1000));
    assert_eq!(messages[0]["result"]["text"], "x");
    let (messages, code) = finish(&mut open(&gateway, "/v1/echo/x").await).await;
    assert_eq!((messages.len(), code), (1, 1000));
    assert_eq!(messages[0]["text"], "x");
}

#[tokio::test]
async fn the_parameter_method_chooses_a_route_and_is_no_field() {
    let (_server, gateway) = plain().await;
    let mut socket = open(&gateway, "/v1/echo?method=POST").await;
    socket.send(r#"{"text":"posted"}"#).await.unwrap();
    let (messages, code) = finish(&mut socket).await;
    assert_eq!((&messages[0]["text"], code), (&json!("posted"), 1000));
    let mut socket = open(&gateway, "/v1/echo/outer?method=PUT&number=1").await;
    socket.send(r#"{"text":"inner"}"#).await.unwrap();
    let (messages, _) = finish(&mut socket).await;
    assert_eq!((&messages[0]["text"], &messages[0]["number"]), (&json!("outer"), &json!("1")));
    assert_eq!(messages[0]["child"]["text"], "inner");
}

#[tokio::test]
async fn an_empty_message_ends_the_requests() {
    let (_server, gateway) = plain().await;
    let mut socket = open(&gateway, "/v1/chat?method=POST").await;
    for text in ["a", "b"] {
        socket.send(json!({ "text": text }).to_string()).await.unwrap();
        assert_eq!(receive_json(&mut socket).await["result"]["text"], text);
    }
    socket.send("").await.unwrap();
    assert_eq!(u16::from(receive_close(&mut socket).await.code), 1000);
    let mut socket = open(&gateway, "/v1/collect?method=POST").await;
    for text in [r#"{"text":"a"}"#, r#"{"text":"b"}"#, ""] {
        socket.send(text).await.unwrap();
    }
    let (messages, code) = finish(&mut socket).await;
    assert_eq!((&messages[0]["text"], &messages[0]["number"]), (&json!("ab"), &json!("2")));
    assert_eq!((messages.len(), code), (1, 1000));
}

#[tokio::test]
async fn a_method_without_a_rule_is_called_by_its_path() {
    let (_server, gateway) = plain().await;
    let mut socket = open(&gateway, &format!("/{SERVICE}/Lookup")).await;
    socket.send(r#"{"text":"by path"}"#).await.unwrap();
    let (messages, code) = finish(&mut socket).await;
    assert_eq!((&messages[0]["text"], code), (&json!("by path"), 1000));
}

#[tokio::test]
async fn an_error_is_the_last_message_and_in_the_close_code() {
    let (_server, gateway) = plain().await;
    let failure =
        |number| json!({"code": 5, "message": "m", "detail": {"text": "why"}, "number": number});
    let mut socket = open(&gateway, "/v1/fail-unary?method=POST").await;
    socket.send(failure(0).to_string()).await.unwrap();
    let (messages, code) = finish(&mut socket).await;
    assert_eq!((&messages[0]["code"], code), (&json!(5), 4005));
    assert_eq!(messages[0]["details"][0]["text"], "why");
    let mut socket = open(&gateway, "/v1/fail?method=POST").await;
    socket.send(failure(2).to_string()).await.unwrap();
    let (messages, code) = finish(&mut socket).await;
    assert_eq!((messages.len(), code), (3, 4005));
    assert_eq!(messages[2]["error"]["message"], "m");
}

#[tokio::test]
async fn wrong_messages_fail_the_call() {
    let (_server, gateway) = serve(|builder| builder.max_message_length(100)).await;
    let long = json!({ "text": "x".repeat(101) }).to_string();
    let (unary, chat) = ("/v1/echo?method=POST", "/v1/chat?method=POST");
    let stall = format!("/{SERVICE}/Stall");
    for (path, messages, code) in [
        (unary, vec![Message::from("{")], 4003),
        (unary, vec!["{}{}".into()], 4003),
        (unary, vec![b"{}".into()], 4003),
        (chat, vec![r#"{"text":5}"#.into()], 4003),
        // The one request of the method is followed by another.
        (stall.as_str(), vec!["{}".into(), "{}".into()], 4003),
        (chat, vec![long.into()], 4008),
        (chat, vec!["x".repeat(70_000).into()], 1009),
    ] {
        let mut socket = open(&gateway, path).await;
        for message in messages {
            socket.send(message).await.unwrap();
        }
        let (messages, received) = finish(&mut socket).await;
        assert_eq!(received, code, "{path} {messages:?}");
    }
}

#[tokio::test]
async fn a_client_that_vanishes_cancels_its_call_upstream() {
    let (server, gateway) = plain().await;
    for orderly in [true, false] {
        let mut socket = open(&gateway, "/v1/stall").await;
        receive_json(&mut socket).await;
        wait_for(server.echo.in_progress(), 1).await;
        if orderly {
            socket.close(1000_u16, "").await.unwrap();
        } else {
            drop(socket);
        }
        wait_for(server.echo.in_progress(), 0).await;
    }
}

#[tokio::test]
async fn a_timeout_in_the_handshake_is_enforced() {
    let (server, gateway) = plain().await;
    let client = client(&gateway, "/v1/wait/60000").header("x-server-timeout", "0.1");
    let (messages, code) = finish(&mut connect(client).await).await;
    assert_eq!((&messages[0]["code"], code), (&json!(4), 4004));
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn paths_and_values_are_checked_before_the_upgrade() {
    let (_server, gateway) = plain().await;
    for (path, status) in [
        ("/v1/nothing", 404),
        ("/v1/echo", 405),
        ("/v1/echo/x?number=y", 400),
        ("/v1/echo/x?method=GET&method=PUT", 400),
    ] {
        let request = Request::get(path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
        assert_eq!(fetched.status, status, "{path}");
    }
}

/// Returns the header `authorization` that the upstream sees.
async fn authorization(client: sockeye::Client) -> Option<String> {
    let (messages, code) = finish(&mut connect(client).await).await;
    assert_eq!(code, 1000);
    let entries = messages[0]["entries"].as_array().unwrap().iter();
    let mut entries = entries.filter(|entry| entry["name"] == "authorization");
    entries.next().map(|entry| entry["value"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_is_in_the_subprotocols_or_in_a_cookie_that_was_named() {
    let (_server, gateway) = plain().await;
    let bearer = |gateway: &ServedGateway| {
        client(gateway, "/v1/metadata")
            .subprotocols(["Bearer", "a.b-c"])
            .header("cookie", "token=of-the-cookie")
    };
    let socket = connect(bearer(&gateway)).await;
    assert_eq!(socket.subprotocol(), Some("Bearer"));
    assert_eq!(authorization(bearer(&gateway)).await.as_deref(), Some("Bearer a.b-c"));
    let cookie_only = client(&gateway, "/v1/metadata").header("cookie", "token=of-the-cookie");
    assert_eq!(authorization(cookie_only).await, None);
    let (_server, gateway) = serve(|builder| builder.token_cookie("token")).await;
    assert_eq!(authorization(bearer(&gateway)).await.as_deref(), Some("Bearer of-the-cookie"));
}
