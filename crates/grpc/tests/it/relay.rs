//! A WebSocket server that relays messages, and records them.

use std::sync::{Arc, Mutex};

use sockeye::split::{Receiver, Sender};
use sockeye::{Message, WebSocket};

/// The messages relayed to the server and from it.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    up: Mutex<Vec<Message>>,
    down: Mutex<Vec<Message>>,
}

impl Passed {
    /// Returns the number of messages to the server, and from it.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.up.lock().unwrap().len(), self.down.lock().unwrap().len())
    }

    /// Returns the number of messages, in both directions, that contain `words`.
    #[cfg(feature = "tls")]
    pub(crate) fn with(&self, words: &str) -> usize {
        let has = |message: &&Message| {
            message.as_bytes().windows(words.len()).any(|part| part == words.as_bytes())
        };
        let count =
            |messages: &Mutex<Vec<Message>>| messages.lock().unwrap().iter().filter(has).count();
        count(&self.up) + count(&self.down)
    }
}

/// Starts a relay to `url`, and returns its URL and the relayed messages.
pub(crate) async fn to(url: String) -> (String, Arc<Passed>) {
    let passed = Arc::new(Passed::default());
    let relay = sockeye::Server::bind("127.0.0.1:0").await.unwrap();
    let address = relay.local_addr().unwrap();
    let remembered = Arc::clone(&passed);
    tokio::spawn(relay.serve(move |client: WebSocket| {
        let (url, passed) = (url.clone(), Arc::clone(&remembered));
        async move {
            let (to_server, from_server) = sockeye::connect(url).await.unwrap().split();
            let (to_client, from_client) = client.split();
            tokio::join!(
                pass(from_client, to_server, &passed.up),
                pass(from_server, to_client, &passed.down),
            );
        }
    }));
    (format!("ws://{address}/"), passed)
}

async fn pass(mut from: Receiver, to: Sender, passed: &Mutex<Vec<Message>>) {
    while let Ok(Some(message)) = from.recv().await {
        passed.lock().unwrap().push(message.clone());
        if to.send(message).await.is_err() {
            return;
        }
    }
}
