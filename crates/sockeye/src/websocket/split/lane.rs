use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outbox::Outbox;

/// The transport of the receiving half: it reads by itself, and what it writes, which is control frames only, goes through
/// the writer, ahead of messages.
pub(super) struct Lane<R> {
    pub(super) transport: R,
    pub(super) outbox: Arc<Outbox>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Lane<R> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_read(cx, buf)
    }
}

impl<R: Unpin> AsyncWrite for Lane<R> {
    /// Takes all of `buf`, which must be whole control frames: so they are, since nothing takes only a part of them.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outbox
            .poll_control(cx, buf)
            .map(|taken| taken.map(|()| buf.len()).map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    /// The writer holds nothing back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_finish(cx).map(Ok)
    }
}

impl<R> Drop for Lane<R> {
    fn drop(&mut self) {
        self.outbox.abandon();
    }
}
