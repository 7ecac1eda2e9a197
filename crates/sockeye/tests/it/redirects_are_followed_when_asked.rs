//! Redirects are errors, unless the client is configured to follow them; then their number is
//! bounded.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::relay;
use std::net::SocketAddr;

use sockeye::handshake::{HandshakeError, Key, RequestError};
use sockeye::{Client, ConnectError, RedirectError};
use tokio::io::AsyncWriteExt;

/// Starts a server whose paths redirect to each other: `/hop/3` to `/hop/2` and so on to `/hop/0`,
/// which is a WebSocket. Other paths redirect to the target in their query, with the status in
/// their path.
async fn server() -> SocketAddr {
    relay::listen(|mut stream| async move {
        let head = relay::read_head(&mut stream).await;
        let target = head.split(' ').nth(1).unwrap();
        let answer = match target.split_once('?') {
            None if target == "/hop/0" => accepted(&head),
            None => match target.strip_prefix("/hop/").and_then(|hop| hop.parse::<u32>().ok()) {
                Some(hop) => redirect("302", &(hop - 1).to_string()),
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            },
            Some((path, location)) => redirect(&path[1..], location),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        relay::wait_for_disconnect(stream).await;
    })
    .await
}

fn redirect(status: &str, location: &str) -> String {
    format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

/// Returns a successful response that repeats the request's relevant headers.
fn accepted(head: &str) -> String {
    let value = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then_some(value)
        })
    };
    let key: [u8; 16] = decode(value("Sec-WebSocket-Key").unwrap());
    let seen =
        ["Authorization", "Cookie", "Origin"].into_iter().filter(|name| value(name).is_some());
    let seen: Vec<_> = seen.map(str::to_ascii_lowercase).collect();
    let subprotocol = if seen.is_empty() { "none".into() } else { seen.join(".") };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n",
        Key::new(key).accept()
    )
}

fn decode(key: &str) -> [u8; 16] {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(key).unwrap().try_into().unwrap()
}

fn client(url: &str) -> Client {
    Client::new(url)
        .header("Authorization", "Bearer secret")
        .header("Cookie", "a=b")
        .header("Origin", "https://page.test")
        .subprotocols(["none", "origin", "authorization.cookie.origin"])
}

async fn refusal(client: Client) -> RedirectError {
    match client.connect().await.unwrap_err() {
        ConnectError::Redirect(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn redirects_are_followed_when_asked() {
    let server = server().await;
    for status in [301, 302, 303, 307, 308] {
        let url = format!("ws://{server}/{status}?http://{server}/hop/3");
        let ws = client(&url).follow_redirects(4).connect().await.unwrap();
        assert_eq!(ws.subprotocol(), Some("authorization.cookie.origin"));
    }
}

#[tokio::test]
async fn without_being_asked_a_redirect_is_an_error() {
    let url = format!("ws://{}/hop/1", server().await);
    let error = Client::new(url).connect().await.unwrap_err();
    let ConnectError::Handshake(HandshakeError::Status { status, headers, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((status.as_u16(), headers["location"].as_bytes()), (302, &b"0"[..]));
}

#[tokio::test]
async fn secrets_do_not_go_to_another_origin() {
    let (one, other) = (server().await, server().await);
    let url = format!("ws://{one}/307?ws://{other}/hop/0");
    let ws = client(&url).follow_redirects(1).connect().await.unwrap();
    assert_eq!((ws.peer_addr(), ws.subprotocol()), (Some(other), Some("origin")));
}

#[tokio::test]
async fn too_many_are_too_many() {
    let server = server().await;
    let error = refusal(client(&format!("ws://{server}/hop/3")).follow_redirects(2)).await;
    let url = format!("ws://{server}/hop/0").parse().unwrap();
    assert_eq!(error, RedirectError::TooMany { limit: 2, url });
}

#[tokio::test]
async fn a_loop_is_found_before_the_limit() {
    let server = server().await;
    let url = format!("ws://{server}/302?");
    let error = refusal(client(&url).follow_redirects(100)).await;
    assert_eq!(error, RedirectError::Loop { url: url.parse().unwrap() });
}

#[tokio::test]
async fn elsewhere_than_to_websockets_is_nowhere() {
    let url = format!("ws://{}/302?ftp://example.com/", server().await);
    let error = refusal(client(&url).follow_redirects(1)).await;
    assert_eq!(error, RedirectError::Location(RequestError::Scheme { scheme: "ftp".into() }));
}

#[tokio::test]
async fn another_status_is_reported_unchanged() {
    let server = server().await;
    for (url, status) in [
        (format!("ws://{server}/302?/missing"), 404),
        (format!("ws://{server}/300?/hop/0"), 300),
        (format!("ws://{server}/304?/hop/0"), 304),
    ] {
        match client(&url).follow_redirects(1).connect().await.unwrap_err() {
            ConnectError::Handshake(HandshakeError::Status { status: received, .. }) => {
                assert_eq!(received, status, "{url}");
            }
            other => panic!("{other:?}"),
        }
    }
}
