use std::fmt;
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::ResumableStream;

/// Returns the streams of new sessions. Created by [`listener`](super::listener).
///
/// Dropping the listener refuses new sessions; those that were accepted go on.
pub struct Listener {
    queue: mpsc::Receiver<ResumableStream>,
}

impl Listener {
    pub(super) fn new(queue: mpsc::Receiver<ResumableStream>) -> Self {
        Self { queue }
    }

    /// Returns the stream of the next session, or `None` once all
    /// [`ResumableSessions`](super::ResumableSessions) were dropped. A session that continues on
    /// another WebSocket is not returned again.
    ///
    /// # Cancel safety
    /// No stream is lost.
    pub async fn accept(&mut self) -> Option<ResumableStream> {
        self.queue.recv().await
    }

    /// Polls for what [`accept`](Self::accept) returns.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<ResumableStream>> {
        self.queue.poll_recv(cx)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
