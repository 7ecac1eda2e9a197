//! A connection that is dropped with unread input delivers the messages sent: by default TCP would
//! reset it, and discard them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use sockeye::upgrade::Options;
use sockeye::{CloseCode, Config, Error, Message, Server, TimedOut, WebSocket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Timeout after which a test counts as hung.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

const LENGTH: usize = 1 << 20;

async fn serve<F: Future<Output = sockeye::Result<()>> + Send + 'static>(
    handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
) -> (String, JoinHandle<sockeye::Result<()>>) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    (url, tokio::spawn(server.serve(handler)))
}

/// Fills the buffers to the server with messages that it does not read.
async fn send_much(ws: &mut WebSocket) {
    for _ in 0..10 {
        let _ = timeout(Duration::from_millis(50), ws.send(vec![1; 100_000])).await;
    }
}

/// Sends more than the server reads, and still receives the server's message.
async fn receive_what_was_sent(url: &str) -> WebSocket {
    let mut ws = sockeye::connect(url).await.unwrap();
    ws.send("begin").await.unwrap();
    send_much(&mut ws).await;
    let received = timeout(TEST_TIMEOUT, ws.recv()).await.unwrap().unwrap();
    assert_eq!(received, Some(Message::from(vec![7; LENGTH])));
    ws
}

#[tokio::test]
async fn a_handler_sends_and_returns() {
    let (url, _serving) = serve(async |mut ws| {
        ws.recv().await?;
        // Until more input is unread.
        sleep(Duration::from_millis(100)).await;
        ws.send(vec![7; LENGTH]).await
    })
    .await;
    let mut ws = receive_what_was_sent(&url).await;
    assert_eq!(timeout(TEST_TIMEOUT, ws.recv()).await.unwrap().unwrap(), None);
    assert_eq!(ws.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_task_of_ones_own_sends_and_drops() {
    let (url, _serving) = serve(async |mut ws: WebSocket| {
        ws.recv().await?;
        tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            ws.send(vec![7; LENGTH]).await
        });
        Ok(())
    })
    .await;
    let mut ws = receive_what_was_sent(&url).await;
    let ended = timeout(TEST_TIMEOUT, ws.recv()).await.unwrap();
    assert!(matches!(ended, Err(Error::Disconnected)), "{ended:?}");
}

/// The pong of a slow reader reaches the server after the server stopped waiting for the reader's
/// close frame. A server that had dropped the transport by then would reset it, and cut off the
/// rest.
#[tokio::test]
async fn a_slow_reader_receives_everything_after_the_close_timeout() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let (closed, mut when_closed) = mpsc::unbounded_channel();
    let server = server
        .options(Options::new().config(Config::new().close_timeout(Duration::from_millis(700))));
    tokio::spawn(server.serve(move |mut ws: WebSocket| {
        let closed = closed.clone();
        async move {
            ws.ping(b"alive").await?;
            ws.send(vec![7; 200_000]).await?;
            let result = ws.close(CloseCode::NORMAL_CLOSURE, "").await;
            drop(ws);
            closed.send(result).unwrap();
            Ok::<(), Error>(())
        }
    }));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut client = socket.connect(address).await.unwrap();
    client.write_all(crate::peer::request("/", "").as_bytes()).await.unwrap();
    let result = timeout(TEST_TIMEOUT, when_closed.recv()).await.unwrap().unwrap();
    assert!(matches!(result, Err(Error::TimedOut(TimedOut::Closing))), "{result:?}");
    client.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut received = Vec::new();
    timeout(TEST_TIMEOUT, client.read_to_end(&mut received)).await.unwrap().unwrap();
    assert!(received.ends_with(&[7, 0x88, 2, 0x03, 0xe8]), "{} bytes", received.len());
}
