//! The server: echo, limits, and a shutdown that closes every connection.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use sockeye::{Client, CloseCode, Drained, Server, WebSocket, connect};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// A running echo server, and the signal that stops it.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<sockeye::Result<Drained>>,
}

impl Running {
    async fn start(configure: impl FnOnce(Server) -> Server) -> Self {
        let server = configure(Server::bind("127.0.0.1:0").await.unwrap());
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.serve_with_shutdown(echo, async {
            let _ = stopped.await;
        }));
        Self { address, stop, server }
    }

    fn url(&self) -> String {
        format!("ws://{}/echo", self.address)
    }
}

#[tokio::test]
async fn messages_of_all_sizes_come_back() {
    let running = Running::start(|server| server).await;
    let mut ws = connect(running.url()).await.unwrap();
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let message = "x".repeat(length);
        ws.send(message.as_str()).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(message.into()), "{length}");
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn subprotocol_and_compression_are_agreed_on() {
    use sockeye::Deflate;
    use sockeye::upgrade::Options;

    let options = Options::new().subprotocols(["b", "a"]).deflate(Deflate::new());
    let running = Running::start(|server| server.options(options)).await;
    let client = Client::new(running.url()).subprotocols(["a", "b"]).deflate(Deflate::new());
    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.subprotocol(), Some("b"));
    assert_eq!(ws.extensions(), Some("permessage-deflate"));
    let message = "again and again, ".repeat(10_000);
    ws.send(message.as_str()).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(message.into()));
}

#[tokio::test]
async fn connections_are_closed_with_1001_when_the_server_stops() {
    let running = Running::start(|server| server).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut ws = connect(running.url()).await.unwrap();
        ws.send("hello").await.unwrap();
        ws.recv().await.unwrap();
        clients.push(ws);
    }
    // A connection in its handshake must not delay the shutdown.
    let _silent = tokio::net::TcpStream::connect(running.address).await.unwrap();
    running.stop.send(()).unwrap();
    for ws in &mut clients {
        assert_eq!(ws.recv().await.unwrap(), None);
        assert_eq!(ws.close_frame().unwrap().code, CloseCode::GOING_AWAY);
    }
    running.server.await.unwrap().unwrap();
    assert!(connect(format!("ws://{}/", running.address)).await.is_err());
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_dropped_in_time() {
    let configure = |server: Server| server.shutdown_timeout(Duration::from_millis(50));
    let running = Running::start(configure).await;
    // The client does not receive, so it sends no reply to the close frame.
    let mut ws = connect(running.url()).await.unwrap();
    ws.send("hello").await.unwrap();
    ws.recv().await.unwrap();
    running.stop.send(()).unwrap();
    running.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_another_to_end() {
    let running = Running::start(|server| server.max_connections(1)).await;
    let mut first = connect(running.url()).await.unwrap();
    let client = Client::new(running.url());
    let waiting = tokio::spawn(async move { client.connect().await });
    // The first is served while the second waits.
    first.send("still here").await.unwrap();
    assert_eq!(first.recv().await.unwrap(), Some("still here".into()));
    assert!(!waiting.is_finished());
    first.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    let mut second = waiting.await.unwrap().unwrap();
    second.send("my turn").await.unwrap();
    assert_eq!(second.recv().await.unwrap(), Some("my turn".into()));
}
