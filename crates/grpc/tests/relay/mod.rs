//! A WebSocket server that hands messages on, and counts them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye::WebSocket;
use sockeye::split::{Receiver, Sender};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    up: AtomicU64,
    down: AtomicU64,
}

impl Counts {
    /// Messages to the server, and from it.
    pub(crate) fn both(&self) -> (u64, u64) {
        (self.up.load(Ordering::SeqCst), self.down.load(Ordering::SeqCst))
    }
}

/// The URL of a relay to another.
pub(crate) async fn to(url: String) -> (String, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let relay = sockeye::Server::bind("127.0.0.1:0").await.unwrap();
    let address = relay.local_addr().unwrap();
    let counted = Arc::clone(&counts);
    tokio::spawn(relay.serve(move |client: WebSocket| {
        let (url, counts) = (url.clone(), Arc::clone(&counted));
        async move {
            let (to_server, from_server) = sockeye::connect(url).await.unwrap().split();
            let (to_client, from_client) = client.split();
            tokio::join!(
                pass(from_client, to_server, &counts.up),
                pass(from_server, to_client, &counts.down),
            );
        }
    }));
    (format!("ws://{address}/"), counts)
}

async fn pass(mut from: Receiver, to: Sender, count: &AtomicU64) {
    while let Ok(Some(message)) = from.recv().await {
        count.fetch_add(1, Ordering::SeqCst);
        if to.send(message).await.is_err() {
            return;
        }
    }
}
