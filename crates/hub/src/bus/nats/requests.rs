use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::client::PublishErrorKind;
use async_nats::{Message, Subscriber};
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::bus::BusError;

/// The requests of a node that wait for replies.
#[derive(Debug)]
pub(super) struct Requests {
    /// The beginning of the subjects on which this node receives replies.
    inbox: String,
    pending: Mutex<HashMap<u64, Pending>>,
    next_token: AtomicU64,
}

/// A request that waits for replies.
#[derive(Debug)]
struct Pending {
    /// The number of the connection over which the request went, or of an earlier one.
    connects: u64,
    replies: mpsc::Sender<Message>,
}

/// The replies to a request. Dropping it forgets the request: the client's own requests are kept
/// until they are answered, and those of an outage never are.
pub(super) struct Replies<'a> {
    requests: &'a Requests,
    token: u64,
    receiver: mpsc::Receiver<Message>,
}

impl Requests {
    pub(super) fn new(inbox: String) -> Self {
        Self { inbox, pending: Mutex::default(), next_token: AtomicU64::new(0) }
    }

    /// Returns the subjects on which replies are received, as a pattern.
    pub(super) fn subjects(&self) -> String {
        format!("{}.*", self.inbox)
    }

    /// Begins to expect up to `count` replies to a request over the connection with the number
    /// `connects`; more are dropped.
    pub(super) fn expect(&self, connects: u64, count: usize) -> Replies<'_> {
        let (replies, receiver) = mpsc::channel(count.max(1));
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        self.pending().insert(token, Pending { connects, replies });
        Replies { requests: self, token, receiver }
    }

    /// Hands a reply of the broker to its request.
    pub(super) fn receive(&self, message: Message) {
        let token = message.subject.as_str().rsplit('.').next().map(str::parse);
        let Some(Ok(token)) = token else { return };
        if let Some(pending) = self.pending().get(&token) {
            // More replies than expected, or nobody waits any more.
            let _ = pending.replies.try_send(message);
        }
    }

    /// Fails all requests.
    pub(super) fn fail_all(&self) {
        self.pending().clear();
    }

    /// Fails the requests that went over a connection before the one with the number `connects`.
    pub(super) fn fail_before(&self, connects: u64) {
        self.pending().retain(|_, pending| pending.connects >= connects);
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        // No code panics while it holds the lock.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replies<'_> {
    /// Returns the subject on which replies are received.
    pub(super) fn subject(&self) -> String {
        format!("{}.{}", self.requests.inbox, self.token)
    }

    /// Returns the next reply.
    pub(super) async fn next(&mut self) -> Result<Message, BusError> {
        self.receiver.recv().await.ok_or(BusError::Down)
    }
}

impl Drop for Replies<'_> {
    fn drop(&mut self) {
        self.requests.pending().remove(&self.token);
    }
}

/// Returns the next message of a subscription; `None` if the client has ended.
pub(super) async fn next_message(subscriber: &mut Subscriber) -> Option<Message> {
    std::future::poll_fn(|cx| Pin::new(&mut *subscriber).poll_next(cx)).await
}

/// Returns the error of a message that the client did not take.
pub(super) fn publish_error(error: async_nats::PublishError) -> BusError {
    match error.kind() {
        PublishErrorKind::Send => BusError::Down,
        _ => BusError::Broker(Arc::new(error)),
    }
}
