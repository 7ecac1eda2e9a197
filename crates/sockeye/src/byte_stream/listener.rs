use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::ByteStream;

/// Accepts byte streams from requests for WebSockets, as a `TcpListener` does from TCP: what [`listener`](super::listener)
/// gives, and a `Stream` of them.
///
/// # Close
/// After [`close`](Self::close), requests are answered 503 and streams that were upgraded and have no place yet are closed
/// with 1001; those that wait in the queue are still given, and then `None`. Streams that were given live on. Dropping it does
/// the same, but cuts those that wait. It ends by itself when every [`Accept`](super::Accept) is dropped.
#[derive(Debug)]
pub struct Listener {
    queue: mpsc::Receiver<ByteStream>,
}

impl Listener {
    pub(super) fn new(queue: mpsc::Receiver<ByteStream>) -> Self {
        Self { queue }
    }

    /// Waits for the next stream. `None` says that there will be no more.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn accept(&mut self) -> Option<ByteStream> {
        poll_fn(|cx| self.queue.poll_recv(cx)).await
    }

    /// Takes no more streams than those that wait already.
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
