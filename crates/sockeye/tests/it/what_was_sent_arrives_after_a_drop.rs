//! A connection that is dropped with unread input delivers the messages sent: by default TCP would
//! reset it, and discard them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use sockeye::{CloseCode, Error, Message, Server, WebSocket};
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
