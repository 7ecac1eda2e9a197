use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use async_nats::client::PublishErrorKind;
use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::link::{Link, next_message};
use crate::bus::BusError;

/// A request that waits for replies.
#[derive(Debug)]
pub(super) struct Pending {
    /// The number of the connection over which the request went, or of an earlier one.
    pub(super) connects: u64,
    replies: mpsc::Sender<Message>,
}

/// The replies to a request. Dropping it forgets the request: the client's own requests are kept
/// until they are answered, and those of an outage never are.
pub(super) struct Replies<'a> {
    link: &'a Link,
    token: u64,
    receiver: mpsc::Receiver<Message>,
}

impl<'a> Replies<'a> {
    /// Begins to expect up to `count` replies; more are dropped.
    pub(super) fn new(link: &'a Link, count: usize) -> Self {
        let (replies, receiver) = mpsc::channel(count.max(1));
        let token = link.next_token.fetch_add(1, Ordering::Relaxed);
        let pending = Pending { connects: link.connects(), replies };
        link.pending().insert(token, pending);
        Self { link, token, receiver }
    }

    /// Returns the subject on which replies are received.
    pub(super) fn subject(&self) -> String {
        format!("{}.{}", self.link.inbox, self.token)
    }

    /// Returns the next reply.
    pub(super) async fn next(&mut self) -> Result<Message, BusError> {
        self.receiver.recv().await.ok_or(BusError::Down)
    }
}

impl Drop for Replies<'_> {
    fn drop(&mut self) {
        self.link.pending().remove(&self.token);
    }
}

impl Link {
    /// Sends a request to which up to `count` replies are expected.
    pub(super) async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        count: usize,
    ) -> Result<Replies<'_>, BusError> {
        if !self.is_up() {
            return Err(BusError::Down);
        }
        let replies = self.expect_replies(count);
        let (subject, reply) = (subject.to_owned(), replies.subject());
        // A request without headers is a shorter command.
        let sent = if headers.is_empty() {
            self.client.publish_with_reply(subject, reply, payload).await
        } else {
            self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
        };
        sent.map_err(publish_error)?;
        Ok(replies)
    }

    /// Hands the replies of the broker to the requests, for as long as the node lives.
    pub(super) async fn dispatch_replies(self: Arc<Self>, mut inbox: Subscriber) {
        while let Some(message) = next_message(&mut inbox).await {
            let token = message.subject.as_str().rsplit('.').next().map(str::parse);
            let Some(Ok(token)) = token else { continue };
            if let Some(pending) = self.pending().get(&token) {
                // More replies than expected, or nobody waits any more.
                let _ = pending.replies.try_send(message);
            }
        }
    }

    /// Fails the requests that a condition chooses.
    pub(super) fn fail_pending(&self, fails: impl Fn(&Pending) -> bool) {
        self.pending().retain(|_, pending| !fails(pending));
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        // No code panics while it holds the lock.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the error of a message that the client did not take.
pub(super) fn publish_error(error: async_nats::PublishError) -> BusError {
    match error.kind() {
        PublishErrorKind::Send => BusError::Down,
        _ => BusError::Broker(Arc::new(error)),
    }
}
