use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::ByteStream;

/// A listener that accepts byte streams from WebSocket requests, as a `TcpListener` does from TCP.
/// Returned by [`listener`](super::listener); also a `Stream` of byte streams.
///
/// # Close
/// After [`close`](Self::close), requests are answered with 503, and upgraded streams that are not
/// in the queue yet are closed with 1001; streams in the queue are still returned, and then `None`.
/// Accepted streams stay open. Dropping the listener does the same, but cuts the streams in the
/// queue. The listener ends by itself when every [`Accept`](super::Accept) is dropped.
#[derive(Debug)]
pub struct Listener {
    queue: mpsc::Receiver<ByteStream>,
}

impl Listener {
    pub(super) fn new(queue: mpsc::Receiver<ByteStream>) -> Self {
        Self { queue }
    }

    /// Returns the next stream, or `None` when there will be no more.
    ///
    /// # Cancel safety
    /// No stream is lost.
    pub async fn accept(&mut self) -> Option<ByteStream> {
        poll_fn(|cx| self.queue.poll_recv(cx)).await
    }

    /// Closes the listener: only the streams in the queue can still be accepted.
    pub fn close(&mut self) {
        self.queue.close();
    }
}

impl Stream for Listener {
    type Item = ByteStream;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ByteStream>> {
        self.get_mut().queue.poll_recv(cx)
    }
}
