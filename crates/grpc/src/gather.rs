//! Writes of one turn of the runtime, gathered into one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is held back at most, in bytes: a frame of HTTP/2 with a full payload is no longer held, as nothing is
/// saved by gathering frames of that length.
const MAX_HELD: usize = 16 * 1024;

/// How often a flush lets the other tasks have their turn, as long as each time more was written: enough for headers,
/// messages and trailers that come from tasks of their own.
const MAX_TURNS: u8 = 8;

/// A byte stream that is flushed only when the tasks that are ready have had their turn.
///
/// HTTP/2 has one task that writes, and others that tell it what: it would flush the headers of a call before the task
/// that makes its message has run, and every flush is a WebSocket message and a system call. So a flush waits for the
/// next turn of its task, and for another one if something was written meanwhile, at most [`MAX_TURNS`] times. No timer
/// is involved: where no other task is ready, the next turn comes at once.
///
/// What is held back is flushed by [`poll_flush`](AsyncWrite::poll_flush) and
/// [`poll_shutdown`](AsyncWrite::poll_shutdown) only, and must not be passed by a layer below that flushes by itself
/// before it reads: therefore it is held here.
#[derive(Debug)]
pub(crate) struct Gather<S> {
    inner: S,
    /// Written and not handed over, at most [`MAX_HELD`] bytes.
    held: BytesMut,
    /// The turns that the flush under way has let pass.
    turns: u8,
    /// What was held when it let the last one pass.
    held_before: usize,
}

impl<S> Gather<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, held: BytesMut::new(), turns: 0, held_before: 0 }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }

    /// Whether the flush under way shall wait for another turn.
    fn is_growing(&mut self) -> bool {
        if self.turns == MAX_TURNS || self.held.len() == self.held_before {
            return false;
        }
        self.turns += 1;
        self.held_before = self.held.len();
        true
    }
}

impl<S: AsyncWrite + Unpin> Gather<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
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

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buffer)
    }
}
