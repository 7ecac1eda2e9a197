//! The limit of connections per address: further ones are refused with 429, and handshakes in
//! progress count.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;

use sockeye::handshake::HandshakeError;
use sockeye::{CloseCode, ConnectError, Server, WebSocket, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn serve(limit: usize) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap().max_connections_per_address(limit);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(echo));
    address
}

/// Connects; returns `None` if the server refuses with 429.
async fn attempt(address: SocketAddr) -> Option<WebSocket> {
    match connect(format!("ws://{address}/")).await {
        Ok(ws) => Some(ws),
        Err(ConnectError::Handshake(HandshakeError::Status { status, body, .. })) => {
            assert_eq!(status, 429);
            assert_eq!(body, "too many connections from this address\n");
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_too_many_gets_429_until_another_has_ended() {
    let address = serve(2).await;
    let mut first = attempt(address).await.unwrap();
    let mut second = attempt(address).await.unwrap();
    assert!(attempt(address).await.is_none());
    // Admitted connections stay open.
    second.send("still here").await.unwrap();
    assert_eq!(second.recv().await.unwrap(), Some("still here".into()));
    first.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    // The server's side ends slightly later.
    let mut third = loop {
        if let Some(ws) = attempt(address).await {
            break ws;
        }
    };
    third.send("my turn").await.unwrap();
    assert_eq!(third.recv().await.unwrap(), Some("my turn".into()));
}

#[tokio::test]
async fn slow_handshakes_count() {
    let address = serve(2).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    let mut refused = TcpStream::connect(address).await.unwrap();
    refused.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    refused.read_to_string(&mut answer).await.unwrap();
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 429 too many requests\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 5\r\n"), "{answer}");
    drop((slow, silent));
    while attempt(address).await.is_none() {}
}
