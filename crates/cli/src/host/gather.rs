//! A transport that gathers the small writes of a turn of its connection.
//!
//! h2 writes what it has after each DATA frame of 256 bytes or more: the trailers of a call, and the
//! answers to other calls, would each cost a system call of their own. So the bytes are held, and
//! leave together once the connection has nothing more to do in this turn.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Maximum number of bytes held, and so the length of a write from which on gathering saves
/// nothing: that of a full frame.
const MAX_HELD: usize = 16 * 1024;

/// Capacity of the buffer that a connection keeps while it holds nothing, in bytes.
const KEPT_CAPACITY: usize = 4 * 1024;

/// A transport whose flushes end at once: its [`Turn`] writes.
#[derive(Debug)]
pub(super) struct Gather<S> {
    shared: Arc<Mutex<Shared<S>>>,
}

/// The end of each turn of the connection on a [`Gather`].
#[derive(Debug)]
pub(super) struct Turn<S> {
    shared: Arc<Mutex<Shared<S>>>,
}

#[derive(Debug)]
struct Shared<S> {
    inner: S,
    /// Bytes written and not yet passed on, at most [`MAX_HELD`].
    held: Vec<u8>,
    /// The number of bytes of `held` that were passed on.
    sent: usize,
    /// Set while the transport may have bytes that it has not sent, as TLS does.
    needs_flush: bool,
}

impl<S> Gather<S> {
    /// Wraps a transport. The other value must be polled after each poll of the connection.
    pub(super) fn new(inner: S) -> (Self, Turn<S>) {
        let shared =
            Arc::new(Mutex::new(Shared { inner, held: Vec::new(), sent: 0, needs_flush: false }));
        (Self { shared: Arc::clone(&shared) }, Turn { shared })
    }
}

fn lock<S>(shared: &Mutex<Shared<S>>) -> MutexGuard<'_, Shared<S>> {
    // Both values belong to one task, which ends where it panics.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Turn<S> {
    /// Passes the held bytes on, and flushes the transport. Ready when no bytes are left.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &mut *lock(&self.shared);
        ready!(shared.poll_pass_on(cx))?;
        if shared.needs_flush {
            ready!(Pin::new(&mut shared.inner).poll_flush(cx))?;
            shared.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Shared<S> {
    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.held.len() {
            self.needs_flush = true;
            let rest = &self.held[self.sent..];
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.held.clear();
            self.held.shrink_to(KEPT_CAPACITY);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.shared).inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let shared = &mut *lock(&self.shared);
        let length = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if shared.held.len() + length > MAX_HELD {
            ready!(shared.poll_pass_on(cx))?;
        }
        if length > MAX_HELD {
            shared.needs_flush = true;
            return Pin::new(&mut shared.inner).poll_write_vectored(cx, bufs);
        }
        for buf in bufs {
            shared.held.extend_from_slice(buf);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ends at once: [`Turn::poll_end`] flushes.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        ready!(shared.poll_pass_on(cx))?;
        Pin::new(&mut shared.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, duplex};

    use super::*;

    #[tokio::test]
    async fn the_writes_of_a_turn_leave_at_its_end() {
        let (near, mut far) = duplex(1 << 20);
        let (mut gather, turn) = Gather::new(near);
        gather.write_all(b"head").await.expect("written");
        gather.write_all(b"ers").await.expect("written");
        gather.flush().await.expect("flushed");
        assert_eq!(lock(&gather.shared).held, b"headers");
        poll_fn(|cx| turn.poll_end(cx)).await.expect("sent");
        let mut received = [0; 7];
        far.read_exact(&mut received).await.expect("received");
        assert_eq!(&received, b"headers");
    }

    #[tokio::test]
    async fn long_writes_follow_what_is_held() {
        let (near, mut far) = duplex(1 << 20);
        let (mut gather, turn) = Gather::new(BufWriter::with_capacity(2 * MAX_HELD, near));
        gather.write_all(b"head").await.expect("written");
        gather.write_all(&vec![7; MAX_HELD + 1]).await.expect("written");
        // The transport has a buffer of its own, as that of TLS.
        poll_fn(|cx| turn.poll_end(cx)).await.expect("sent");
        let mut received = vec![0; 4 + MAX_HELD + 1];
        far.read_exact(&mut received).await.expect("received");
        assert_eq!(&received[..5], b"head\x07");
    }

    #[tokio::test]
    async fn a_full_transport_makes_the_writer_wait() {
        let (near, _far) = duplex(1);
        let (mut gather, turn) = Gather::new(near);
        for _ in 0..4 {
            gather.write_all(&[7; MAX_HELD / 4]).await.expect("held");
        }
        let next = poll_fn(|cx| {
            assert!(turn.poll_end(cx).is_pending());
            Poll::Ready(Pin::new(&mut gather).poll_write(cx, b"more").is_pending())
        });
        assert!(next.await);
    }

    #[tokio::test]
    async fn the_end_of_the_transport_comes_after_what_is_held() {
        let (near, mut far) = duplex(100);
        let (mut gather, _turn) = Gather::new(near);
        gather.write_all(b"last").await.expect("written");
        gather.shutdown().await.expect("ended");
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.expect("received");
        assert_eq!(received, b"last");
    }
}
