//! The client can read the headers of the server's response: session ids, cookies.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use http::{StatusCode, Version};
use sockeye::Client;
use sockeye::upgrade::Upgrader;
use tokio::io::duplex;

use crate::peer;

#[tokio::test]
async fn the_headers_of_the_answer_are_there() {
    let client = Client::new("ws://example.com/");
    let headers = "Set-Cookie: a=b\r\nX-Session: 7\r\nSet-Cookie: c=d\r\n";
    let ws = peer::answered_with(&client, headers).await.unwrap();
    let response = ws.response().unwrap();
    let status = (response.status(), response.version());
    assert_eq!(status, (StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11));
    assert_eq!(response.headers()["x-session"], "7");
    assert_eq!(response.headers()["upgrade"], "websocket");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=b", "c=d"]);
    let (_sender, receiver) = ws.split();
    assert_eq!(receiver.response().unwrap().headers()["x-session"], "7");
}

#[tokio::test]
async fn a_server_has_no_answer_to_read() {
    let (client, server) = duplex(4096);
    let connecting = Client::new("ws://example.com/");
    let upgrader = Upgrader::new();
    let (client, server) = tokio::join!(connecting.handshake(client), upgrader.accept(server));
    assert!(client.unwrap().response().is_some());
    assert!(server.unwrap().response().is_none());
}
