//! Prepared messages on task-based connections, whole and split, mixed with ordinary messages.

#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use sockeye::split::TrySendError;
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, CloseCode, Deflate, Error, Prepared, WebSocket};
use tokio::io::duplex;

/// Returns pairs of a client and a server, with and without compression.
async fn pairs() -> Vec<(WebSocket, WebSocket)> {
    let mut pairs = Vec::new();
    for deflate in [None, Some(Deflate::new()), Some(Deflate::new().no_context_takeover(true))] {
        let mut client = Client::new("ws://example.com/");
        let mut options = Options::new();
        if let Some(deflate) = deflate {
            client = client.deflate(deflate.clone());
            options = options.deflate(deflate);
        }
        let (near, far) = duplex(10_000);
        let upgrader = Upgrader::new().options(options);
        let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
        pairs.push((client.unwrap(), server.unwrap()));
    }
    pairs
}

/// Returns messages below and above the thresholds for compression and for copying.
fn messages() -> Vec<Prepared> {
    [0, 20, 300, 5000, 100_000].map(|length| Prepared::new("salmon ".repeat(length / 7))).into()
}

async fn assert_received(ws: &mut WebSocket, times: usize) {
    for message in messages() {
        for _ in 0..times {
            let received = ws.recv().await.unwrap();
            assert!(received.as_ref() == Some(message.message()), "{} bytes", message.len());
        }
    }
    assert_eq!(ws.recv().await.unwrap(), None);
}

#[tokio::test]
async fn from_either_end() {
    let from_servers = pairs().await.into_iter().map(|(client, server)| (server, client));
    for (mut sender, mut receiver) in pairs().await.into_iter().chain(from_servers) {
        let sending = tokio::spawn(async move {
            for message in &messages() {
                sender.send(message.message().clone()).await.unwrap();
                sender.feed_prepared(message).await.unwrap();
                sender.feed(message.message().clone()).await.unwrap();
                sender.send_prepared(message).await.unwrap();
            }
            sender.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
            let error = sender.send_prepared(&Prepared::new("late")).await.unwrap_err();
            assert!(matches!(error, Error::Closed(_)), "{error:?}");
        });
        assert_received(&mut receiver, 4).await;
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn from_clones_of_a_sender() {
    for (mut client, server) in pairs().await {
        let (sender, mut receiver) = server.split();
        let sending = tokio::spawn(async move {
            for message in &messages() {
                sender.send_prepared(message).await.unwrap();
                sender.clone().send(message.message().clone()).await.unwrap();
                sender.flush().await.unwrap();
                sender.try_send_prepared(message).unwrap();
            }
            sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
            let late = Prepared::new("late");
            assert_eq!(sender.try_send_prepared(&late), Err(TrySendError::Closed(())));
            assert!(sender.send_prepared(&late).await.is_err());
        });
        let (end, ()) = tokio::join!(receiver.recv(), assert_received(&mut client, 3));
        assert_eq!(end.unwrap(), None);
        sending.await.unwrap();
    }
}
