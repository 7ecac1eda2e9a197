//! The response to a wrong request names the right path.

use std::io::{Read, Write};

use sockeye::ConnectError;
use sockeye::handshake::HandshakeError;

use crate::program;

#[test]
fn an_unknown_path_is_answered_with_the_known_paths() {
    let answer = program::Server::start(&[]).get("/nothing");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.contains("The page is at /, the WebSocket at /echo"), "{answer}");
}

#[test]
fn echo_without_an_upgrade_asks_for_one() {
    let answer = program::Server::start(&[]).get("/echo");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("point a WebSocket client here"), "{answer}");
}

#[test]
fn the_hub_without_an_upgrade_asks_for_one() {
    let server = program::Server::start(&[]);
    for path in ["/hub", "/connection/websocket"] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{path}: {answer}");
        assert!(answer.contains("open /chat in a browser"), "{path}: {answer}");
    }
    let answer = server.get("/rooms/lobby/messages");
    assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
    assert!(answer.contains("\r\nallow: POST\r\n"), "{answer}");
}

#[test]
fn a_websocket_at_the_path_of_a_page_says_where_the_websockets_are() {
    let server = program::Server::start(&["--metrics"]);
    for path in
        ["/", "/demo", "/chat", "/hub.json", "/healthz", "/server.json", "/metrics", "/app.js"]
    {
        let mut stream = server.dial();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close, upgrade\r\n\
             upgrade: h2c, WebSocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {answer}");
        assert!(answer.contains("no WebSocket at this path. /echo "), "{path}: {answer}");
        // Without an upgrade, or with another one, the page is there.
        let mut stream = server.dial();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close, upgrade\r\nupgrade: h2c\r\n\r\n",
            server.address
        )
        .unwrap();
        let mut page = Vec::new();
        stream.read_to_end(&mut page).unwrap();
        assert!(page.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path}");
    }
}

#[tokio::test]
async fn the_librarys_client_prints_where_the_websockets_are() {
    let server = program::Server::start(&[]);
    let error = sockeye::connect(format!("ws://{}/", server.address)).await.unwrap_err();
    let ConnectError::Handshake(HandshakeError::Status { status, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(status.as_u16(), 404);
    let text = error.to_string();
    assert!(text.contains("/echo sends every message"), "{text}");
}
