//! HTTP/2 flow control makes the sender wait, and does not block other streams. Time is paused: it
//! advances when all tasks wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use sockeye::WebSocket;
use sockeye::upgrade::Options;
use tokio::io::duplex;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::serving::{self, STREAM_WINDOW, echo};

const MESSAGE: usize = 16 * 1024;

/// Maximum of bytes in flight: the window, and the buffers of both ends.
const MOST: usize = STREAM_WINDOW as usize + 512 * 1024;

/// Sends messages until one has to wait; returns how many did not.
async fn fill(ws: &mut WebSocket) -> usize {
    let mut sent = 0;
    while let Ok(result) = timeout(Duration::from_secs(5), ws.send(vec![7; MESSAGE])).await {
        result.unwrap();
        sent += 1;
        assert!(sent * MESSAGE < 1 << 24, "it is taken without end");
    }
    sent
}

/// Receives messages until none arrives for a while; returns their number.
async fn drain(ws: &mut WebSocket) -> usize {
    let mut received = 0;
    while let Ok(message) = timeout(Duration::from_secs(5), ws.recv()).await {
        assert_eq!(message.unwrap().unwrap().len(), MESSAGE);
        received += 1;
    }
    received
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_is_waited_for() {
    let (read, counted) = (Arc::new(Notify::new()), mpsc::unbounded_channel());
    let (count, mut counts) = counted;
    let gate = read.clone();
    let handler = move |mut ws: WebSocket, path: String| {
        let (gate, count) = (gate.clone(), count.clone());
        async move {
            if path == "/echo" {
                return echo(ws, path).await;
            }
            gate.notified().await;
            count.send(drain(&mut ws).await).unwrap();
        }
    };
    let (http2, _server) = serving::connect(Options::new(), handler).await;
    let mut stalled = http2.open("/stalled").await.unwrap();
    let mut other = http2.open("/echo").await.unwrap();
    let sent = fill(&mut stalled).await;
    assert!(sent * MESSAGE >= STREAM_WINDOW as usize - MESSAGE, "{sent} messages");
    assert!(sent * MESSAGE <= MOST, "{sent} messages are held for a server that does not read");

    other.send(vec![1; 1 << 20]).await.unwrap();
    assert_eq!(other.recv().await.unwrap().unwrap().len(), 1 << 20);

    read.notify_one();
    stalled.flush().await.unwrap();
    // The last `send` was cancelled: its message was taken or not.
    let received = counts.recv().await.unwrap();
    assert!((sent..=sent + 1).contains(&received), "{received} of {sent}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_waited_for() {
    /// Receive window that the client grants a stream, in bytes.
    const CLIENT_WINDOW: usize = 256 * 1024;

    let (count, mut counts) = mpsc::unbounded_channel();
    let handler = move |mut ws: WebSocket, path: String| {
        let count = count.clone();
        async move {
            if path == "/echo" {
                return echo(ws, path).await;
            }
            count.send(fill(&mut ws).await).unwrap();
            ws.flush().await.unwrap();
            // The client chooses when to end.
            let _ = ws.recv().await;
        }
    };
    let (http2, _server) = serving::connect(Options::new(), handler).await;
    let mut stalled = http2.open("/stalled").await.unwrap();
    let mut other = http2.open("/echo").await.unwrap();
    let sent = counts.recv().await.unwrap();
    assert!(sent * MESSAGE >= CLIENT_WINDOW - MESSAGE, "{sent} messages");
    assert!(sent * MESSAGE <= CLIENT_WINDOW + 512 * 1024, "{sent} messages are held");

    other.send(vec![1; 1 << 20]).await.unwrap();
    assert_eq!(other.recv().await.unwrap().unwrap().len(), 1 << 20);

    let received = drain(&mut stalled).await;
    assert!((sent..=sent + 1).contains(&received), "{received} of {sent}");
}

#[tokio::test(start_paused = true)]
async fn a_long_message_is_not_taken_whole_for_a_peer_that_does_not_read() {
    const LENGTH: usize = 8 << 20;

    /// Returns whether a message is taken although nobody reads.
    async fn is_taken(ws: &mut WebSocket) -> bool {
        timeout(Duration::from_secs(5), ws.send(vec![7; LENGTH])).await.is_ok()
    }

    let (taken, mut sightings) = mpsc::unbounded_channel();
    let handler = move |mut ws: WebSocket, path: String| {
        let taken = taken.clone();
        async move {
            if path == "/send" {
                taken.send(is_taken(&mut ws).await).unwrap();
            }
            while let Ok(Some(_)) = ws.recv().await {}
        }
    };
    let (http2, _server) = serving::connect(Options::new(), handler).await;
    let mut ws = http2.open("/send").await.unwrap();
    assert_eq!(sightings.recv().await, Some(false), "by the server");
    // The send continues as soon as the peer reads.
    assert_eq!(ws.recv().await.unwrap().unwrap().len(), LENGTH);

    let (http2, _server) = serving::connect(Options::new(), |ws, _| async move {
        let _open = ws;
        std::future::pending::<()>().await;
    })
    .await;
    let mut ws = http2.open("/").await.unwrap();
    assert!(!is_taken(&mut ws).await, "by the client");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_nothing_is_waited_for_whatever_the_window() {
    let (client, server) = duplex(1000);
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.enable_connect_protocol();
        builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
        let mut connection = builder.handshake::<_, Bytes>(server).await.unwrap();
        let (_request, mut answer) = connection.accept().await.unwrap().unwrap();
        let _stream = answer.send_response(Response::new(()), false).unwrap();
        // The response leaves while the server waits for another request, which does come. Then the
        // server reads nothing more.
        let _other = connection.accept().await;
        std::future::pending::<()>().await;
    });
    let http2 = serving::client().handshake_http2(client).await.unwrap();
    let mut ws = http2.open("/").await.unwrap();
    let other = tokio::spawn(async move { http2.open("/").await.is_ok() });
    let sent = fill(&mut ws).await;
    assert!(sent * MESSAGE <= 512 * 1024, "{sent} messages are held");
    other.abort();
}
