//! Parts of proxy tests: a scripted listener, an echo server, and a relay between client and host.

#![allow(dead_code, reason = "each test uses the part that it needs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::net::SocketAddr;

use sockeye::WebSocket;
use sockeye::upgrade::Upgrader;
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Listens on a free local port, runs `script` for each connection, and returns the address.
pub(crate) async fn listen<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    address
}

/// Starts a server that echoes every message, and returns its address.
pub(crate) async fn echo_server() -> SocketAddr {
    listen(|stream| async move {
        if let Ok(ws) = Upgrader::new().accept(stream).await {
            echo(ws).await;
        }
    })
    .await
}

pub(crate) async fn echo(mut ws: WebSocket) {
    while let Ok(Some(message)) = ws.recv().await {
        if ws.send(message).await.is_err() {
            break;
        }
    }
}

/// Copies bytes between the proxy's client and the host, until both directions have ended.
pub(crate) async fn relay(mut client: TcpStream, host: SocketAddr) {
    let mut host = TcpStream::connect(host).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut host).await;
}

/// Reads a head a byte at a time, so that no byte after the head is consumed.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Waits until the client has disconnected.
pub(crate) async fn wait_for_disconnect(mut stream: TcpStream) {
    while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
}

pub(crate) async fn assert_echoes(ws: &mut WebSocket) {
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
}
