//! A byte stream below HTTP/2 that gathers the writes of one turn of the runtime into one, and
//! limits the reads of a turn.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Yield;

/// Maximum number of bytes held back: an HTTP/2 frame with a full payload is not held, since
/// gathering frames of that length saves nothing.
const MAX_HELD: usize = 16 * 1024;

/// Maximum number of times that a flush yields to the other tasks, provided that more was written
/// each time: enough for headers, messages and trailers that come from separate tasks.
const MAX_TURNS: u8 = 8;

/// Maximum number of bytes read in a turn. h2 reads until there is nothing left to read, and only
/// then processes the frames: it would see thousands of calls that were opened and reset, or more
/// small DATA frames than it tolerates. So the task yields to the others after this many bytes. The
/// value is also the default maximum frame size; a turn costs about a microsecond, and 16 KiB some
/// five.
pub(crate) const TURN: usize = 16 * 1024;

/// A byte stream that is flushed only after the ready tasks have had their turn.
///
/// HTTP/2 has one writing task, and others that pass frames to it: it would flush the headers of a
/// call before the task that produces the message has run, and every flush is a WebSocket message
/// and a system call. So a flush waits for the next turn of its task, and for another one if
/// something was written meanwhile, at most [`MAX_TURNS`] times. No timer is involved: if no other
/// task is ready, the next turn comes at once.
///
/// Held bytes are flushed only by [`poll_flush`](AsyncWrite::poll_flush) and
/// [`poll_shutdown`](AsyncWrite::poll_shutdown). A layer below that flushes on its own before
/// reading must not bypass this, so the bytes are held here.
#[derive(Debug)]
pub(crate) struct WriteCoalescer<S> {
    inner: S,
    /// Bytes written and not yet passed on, at most [`MAX_HELD`].
    held: BytesMut,
    /// Number of turns for which the flush in progress has yielded.
    turns: u8,
    /// Length of `held` when the flush last yielded.
    held_before: usize,
    /// Number of bytes read in this turn, at most [`TURN`].
    read: usize,
    /// The turn of the other tasks, after this one.
    recess: Option<Yield>,
    gate: Option<Gate>,
}

impl<S> WriteCoalescer<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            held: BytesMut::new(),
            turns: 0,
            held_before: 0,
            read: 0,
            recess: None,
            gate: None,
        }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns the gate that stops reading.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn gate(&mut self) -> Gate {
        self.gate.get_or_insert_default().clone()
    }

    /// Returns whether the flush in progress should wait for another turn.
    fn is_growing(&mut self) -> bool {
        if self.turns == MAX_TURNS || self.held.len() == self.held_before {
            return false;
        }
        self.turns += 1;
        self.held_before = self.held.len();
        true
    }
}

/// A gate that stops the reading of a stream. Opening it wakes no task: the caller that opens it
/// has to read afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(not(target_family = "wasm"))]
impl Gate {
    pub(crate) fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Opens the gate, and returns whether it was closed.
    pub(crate) fn open(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl<S: AsyncWrite + Unpin> WriteCoalescer<S> {
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        self.turns = 0;
        self.held_before = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteCoalescer<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if this.held.len() + length > MAX_HELD {
            ready!(this.poll_hand_over(cx))?;
        }
        if length > MAX_HELD {
            return Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        }
        for slice in slices {
            this.held.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_growing() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(this.poll_hand_over(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_hand_over(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteCoalescer<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gate.as_ref().is_some_and(Gate::is_closed) {
            return Poll::Pending;
        }
        if this.read == TURN {
            this.read = 0;
            this.recess = Some(Yield::begin(cx));
            return Poll::Pending;
        }
        if let Some(recess) = &mut this.recess {
            ready!(recess.poll(cx));
            this.recess = None;
        }
        let (before, rest) = (buffer.filled().len(), TURN - this.read);
        let polled = if buffer.remaining() <= rest {
            Pin::new(&mut this.inner).poll_read(cx, buffer)
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(rest));
            let polled = Pin::new(&mut this.inner).poll_read(cx, &mut part);
            let length = part.filled().len();
            buffer.advance(length);
            polled
        };
        let length = buffer.filled().len() - before;
        this.read = if polled.is_pending() { 0 } else { this.read + length };
        polled
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_turn_reads_a_limited_length_however_often_it_is_asked() {
        let input = vec![7; 3 * TURN];
        let (mut gather, mut turns) = (WriteCoalescer::new(input.as_slice()), vec![0]);
        let mut buffer = [0; 1000];
        poll_fn(|cx| {
            for _ in 0..100 {
                let mut part = ReadBuf::new(&mut buffer);
                if Pin::new(&mut gather).poll_read(cx, &mut part).is_ready() {
                    *turns.last_mut().unwrap() += part.filled().len();
                }
            }
            if turns.iter().sum::<usize>() == input.len() {
                return Poll::Ready(());
            }
            turns.push(0);
            Poll::Pending
        })
        .await;
        assert_eq!(turns, [TURN; 3]);
    }
}
