//! The extractor in an axum application.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use sockeye::axum::WebSocketUpgrade;
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::Options;
use sockeye::{Client, CloseCode, Config, ConnectError, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn route(upgrade: WebSocketUpgrade) -> Response {
    let requested = upgrade.requested_subprotocols().join(" ");
    let expected = upgrade.headers().get("x-requested").map_or("", |value| value.to_str().unwrap());
    assert_eq!(requested, expected);
    let options = Options::new().allow_origin("https://*.example.com").unwrap();
    upgrade.options(options).subprotocols(["chat"]).on_upgrade(async move |ws| {
        assert!(ws.peer_addr().is_some(), "the TCP stream itself carries the connection");
        echo(ws).await
    })
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/echo", any(route));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_request_is_upgraded_by_axum() {
    let url = format!("ws://{}/echo", serve().await);
    let client =
        Client::new(url).subprotocols(["plain", "chat"]).header("x-requested", "plain chat");
    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
    for message in ["hello", "again"] {
        ws.send(message).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(message.into()));
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let url = format!("ws://{}/echo", serve().await);
    let from = |origin: &str| Client::new(&url).header("Origin", origin);
    from("https://app.example.com").connect().await.unwrap();
    match from("https://example.org").connect().await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, body, .. }) => {
            assert_eq!(status, 403);
            assert!(body.starts_with(b"origin `https://example.org` is not allowed"), "{body:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_that_is_not_for_a_websocket_is_answered() {
    let address = serve().await;
    for (request, answer) in [
        ("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\n"),
        ("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n"),
        (
            "GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert!(received.starts_with(answer), "{received}");
    }
}

#[tokio::test]
async fn the_extractor_has_the_requests_values_and_takes_options_in_any_order() {
    async fn route(upgrade: WebSocketUpgrade) -> Response {
        let values = [
            upgrade.bearer_token().unwrap().to_owned(),
            upgrade.cookie("sid").unwrap().to_owned(),
            upgrade.query("room").unwrap().into_owned(),
            upgrade.uri().path().to_owned(),
        ];
        // Settings made here are kept, although the options are applied last.
        let upgrade = upgrade.config(Config::new().max_message_length(10)).subprotocols(["chat"]);
        let options = Options::new().subprotocols(["other"]);
        upgrade.options(options).on_upgrade(async move |mut ws| {
            ws.send(values.join(" ")).await?;
            echo(ws).await
        })
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/x?room=a+b", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/x", any(route))).await });
    let client = Client::new(url).subprotocols(["other", "chat"]).bearer_auth("abc");
    let mut ws = client.header("Cookie", "a=b; sid=7").connect().await.unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
    assert_eq!(ws.recv().await.unwrap(), Some("abc 7 a b /x".into()));
    ws.send("over ten bytes").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(ws.close_frame().unwrap().code, CloseCode::MESSAGE_TOO_BIG);
}
