use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// From this much unwritten on, in bytes, feeding a message waits for the transport: the cork.
pub(super) const CORK: usize = 64 * 1024;

/// As many shared payloads wait at most; the next one is copied. It bounds the pieces of a vectored write.
const MAX_SHARED: usize = 8;

/// An idle connection keeps an empty buffer of at most this capacity, in bytes: enough for a batch of small messages
/// without an allocation at every wake-up.
const KEPT: usize = 1024;

/// Bytes on their way to the transport.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Headers and what was short enough to copy.
    copied: Vec<u8>,
    /// How much of `copied` was written.
    written: usize,
    /// Long payloads, written from where they are, each with the end of what comes before it in `copied`.
    shared: VecDeque<(usize, Bytes)>,
    /// How much of `shared` is unwritten, in bytes.
    shared_length: usize,
    /// Whether the transport may hold back something that was written.
    unflushed: bool,
}

impl Output {
    /// Where the protocol appends.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Whether another message may be added.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.copied.len() - self.written + self.shared_length < CORK
    }

    /// Adds the payload whose header was just appended.
    pub(super) fn push_shared(&mut self, payload: Bytes) {
        if self.shared.len() == MAX_SHARED {
            self.copied.extend_from_slice(&payload);
            return;
        }
        self.shared_length += payload.len();
        self.shared.push_back((self.copied.len(), payload));
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.copied.len() == self.written && self.shared.is_empty()
    }

    /// Writes until all is with the transport, and makes it hold nothing back.
    #[inline]
    pub(super) fn poll_flush<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_write_all(cx, transport))?;
        if self.unflushed {
            ready!(Pin::new(transport).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_write_all<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let transport = Pin::new(&mut *transport);
            let written = if self.shared.is_empty() {
                ready!(transport.poll_write(cx, &self.copied[self.written..]))?
            } else {
                let mut slots = [IoSlice::new(&[]); 2 * MAX_SHARED + 1];
                ready!(transport.poll_write_vectored(cx, self.pieces(&mut slots)))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Lets go of what was written, where a peer that reads slowly never lets all of it be: when it is most of the
    /// buffer and worth the move.
    fn compact(&mut self) {
        if self.written < CORK.max(self.copied.len() / 2) {
            return;
        }
        self.copied.drain(..self.written);
        for (end, _) in &mut self.shared {
            *end -= self.written;
        }
        self.written = 0;
    }

    /// What is unwritten, in order and without empty pieces: an empty first one would be all that a transport without
    /// vectored writes takes.
    fn pieces<'a, 's>(&'a self, slots: &'s mut [IoSlice<'a>]) -> &'s [IoSlice<'a>] {
        let mut count = 0;
        let mut add = |piece: &'a [u8]| {
            if !piece.is_empty() {
                slots[count] = IoSlice::new(piece);
                count += 1;
            }
        };
        let mut from = self.written;
        for (end, payload) in &self.shared {
            add(&self.copied[from..*end]);
            add(payload);
            from = *end;
        }
        add(&self.copied[from..]);
        &slots[..count]
    }

    fn advance(&mut self, mut written: usize) {
        while let Some((end, payload)) = self.shared.front_mut() {
            let of_copied = written.min(*end - self.written);
            self.written += of_copied;
            written -= of_copied;
            let of_payload = written.min(payload.len());
            payload.advance(of_payload);
            self.shared_length -= of_payload;
            written -= of_payload;
            if self.written < *end || !payload.is_empty() {
                return self.compact();
            }
            self.shared.pop_front();
        }
        self.written += written;
        if self.written < self.copied.len() {
            return self.compact();
        }
        self.written = 0;
        if self.copied.capacity() > KEPT {
            self.copied = Vec::new();
        } else {
            self.copied.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes a few bytes at a time, from the first piece on.
    struct Trickle {
        step: usize,
        written: Vec<u8>,
    }

    impl AsyncWrite for Trickle {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let length = self.step.min(buf.len());
            self.written.extend_from_slice(&buf[..length]);
            Poll::Ready(Ok(length))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|piece| piece.iter().copied()).collect();
            let length = self.step.min(all.len());
            self.written.extend_from_slice(&all[..length]);
            Poll::Ready(Ok(length))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn pieces_keep_their_order_whatever_is_written_at_a_time() {
        for step in 1..40 {
            let mut output = Output::default();
            let mut expected = Vec::new();
            // More payloads than may be shared.
            for index in 0..12u8 {
                let header = vec![index; usize::from(index % 3)];
                output.buffer().extend_from_slice(&header);
                expected.extend_from_slice(&header);
                let payload = vec![index | 0x80; 7];
                expected.extend_from_slice(&payload);
                output.push_shared(payload.into());
            }
            let mut transport = Trickle { step, written: Vec::new() };
            let mut cx = Context::from_waker(Waker::noop());
            assert!(output.poll_write_all(&mut cx, &mut transport).is_ready());
            assert_eq!(transport.written, expected, "{step} bytes at a time");
            assert!(output.is_empty() && output.shared_length == 0);
        }
    }
}
