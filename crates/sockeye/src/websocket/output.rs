use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// From this much unwritten on, in bytes, feeding a message waits for the transport: the cork.
///
/// Taken from uWebSockets, whose cork has the same size.
pub(super) const CORK: usize = 16 * 1024;

/// An idle connection keeps an empty buffer of at most this capacity, in bytes: enough for a batch of small messages
/// without an allocation at every wake-up.
const KEPT: usize = 512;

/// Bytes on their way to the transport, in this order: what is left of `head`, `payload`, `tail`.
#[derive(Debug, Default)]
pub(super) struct Output {
    head: Vec<u8>,
    written: usize,
    /// A long payload that is written from where it is.
    payload: Bytes,
    /// What came after the payload.
    tail: Vec<u8>,
}

impl Output {
    /// Where the protocol appends.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.payload.is_empty() { &mut self.head } else { &mut self.tail }
    }

    /// Whether another message may be added: there is at most one payload at a time.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.payload.is_empty() && self.head.len() - self.written < CORK
    }

    /// Adds a payload whose header was just appended. There must be room.
    pub(super) fn set_payload(&mut self, payload: Bytes) {
        debug_assert!(self.payload.is_empty());
        self.payload = payload;
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head.len() == self.written && self.payload.is_empty()
    }

    /// Writes until all is with the transport.
    #[inline]
    pub(super) fn poll_write_all<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let head = &self.head[self.written..];
            let written = if self.payload.is_empty() {
                ready!(Pin::new(&mut *transport).poll_write(cx, head))?
            } else {
                let pieces =
                    [IoSlice::new(head), IoSlice::new(&self.payload), IoSlice::new(&self.tail)];
                // An empty first piece would be all that a transport without vectored writes takes.
                let pieces = if head.is_empty() { &pieces[1..] } else { &pieces[..] };
                ready!(Pin::new(&mut *transport).poll_write_vectored(cx, pieces))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        let of_head = written.min(self.head.len() - self.written);
        self.written += of_head;
        let of_payload = (written - of_head).min(self.payload.len());
        self.payload.advance(of_payload);
        if self.written < self.head.len() || !self.payload.is_empty() {
            return;
        }
        // All before the tail is written.
        self.payload = Bytes::new();
        let of_tail = written - of_head - of_payload;
        if of_tail < self.tail.len() {
            self.head = mem::take(&mut self.tail);
            self.written = of_tail;
            return;
        }
        self.tail = Vec::new();
        self.written = 0;
        if self.head.capacity() > KEPT {
            self.head = Vec::new();
        } else {
            self.head.clear();
        }
    }
}
