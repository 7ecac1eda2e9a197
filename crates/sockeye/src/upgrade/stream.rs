//! An HTTP/2 stream that hyper hands over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sockeye_proto::Role;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http2::{self, Padding};
use crate::transport::AnsweredPings;

/// An HTTP/2 stream as a transport.
///
/// hyper copies each write and holds up to four writes of any length until the peer's window has
/// capacity for them: writes are cut to [`http2::MAX_WRITE`], so that the peer's flow control
/// reaches the sender.
pub(super) struct Http2Stream {
    upgraded: TokioIo<Upgraded>,
    padding: Padding,
}

impl Http2Stream {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        Self { upgraded: TokioIo::new(upgraded), padding: Padding::new(Role::Server) }
    }

    /// Returns the handle through which the driver reports pongs.
    pub(super) fn pings(&self) -> AnsweredPings {
        self.padding.answered_pings()
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        http2::poll_frames(buf, |buf| Pin::new(&mut self.upgraded).poll_read(cx, buf))
            .map_err(http2::read_error)
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Waits for capacity before the write is assembled.
        ready!(self.as_mut().poll_flush(cx))?;
        let this = &mut *self;
        let length = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        let padding = this.padding.before(length).unwrap_or_default();
        let padding_length = padding.len();
        let write = http2::gather(padding, bufs, http2::MAX_WRITE);
        // hyper has capacity since the flush, so that it accepts the whole write.
        let written = ready!(Pin::new(&mut this.upgraded).poll_write(cx, &write));
        let taken = written.map_err(http2::reset_error)?.saturating_sub(padding_length);
        this.padding.on_written(taken, length);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_flush(cx).map_err(http2::reset_error)
    }

    //= https://www.rfc-editor.org/rfc/rfc8441#section-5
    //# Orderly TCP-level closures are represented as END_STREAM flags
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_shutdown(cx).map_err(http2::reset_error)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
