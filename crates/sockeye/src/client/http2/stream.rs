//! An HTTP/2 stream as a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use sockeye_proto::Role;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::http2::{self, Padding};
use crate::transport::AnsweredPings;

/// Maximum time for which the stream of a dropped WebSocket is kept to write pending data, unless
/// the server ends the stream before. Equal to the default timeout of the closing handshake.
const LINGER: Duration = Duration::from_secs(5);

/// Both halves of a stream.
///
/// Data written before the stream is dropped is still sent, as on TCP.
pub(super) struct Stream {
    /// Taken when the stream is dropped or reset.
    halves: Option<Halves>,
    /// The unread rest of the frame that was received last.
    unread: Bytes,
    padding: Padding,
}

struct Halves {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// `true` once the sending half has ended.
    ended: bool,
}

impl Stream {
    pub(super) fn new(send: SendStream<Bytes>, receive: RecvStream) -> Self {
        let halves = Halves { send, receive, ended: false };
        Self { halves: Some(halves), unread: Bytes::new(), padding: Padding::new(Role::Client) }
    }

    /// Returns the handle through which the driver reports pongs.
    pub(super) fn pings(&self) -> AnsweredPings {
        self.padding.answered_pings()
    }

    /// Resets the stream at once, which tells the server to stop sending.
    pub(super) fn reset(mut self) {
        self.halves = None;
    }

    /// Reads the available bytes of one frame; reads none at the end of the stream.
    fn poll_frame(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.halves()?.poll_data(cx))? {
                None => return Poll::Ready(Ok(())),
                Some(data) => self.unread = data,
            }
        }
        let length = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        // The only possible error is to release more than was received.
        let _ = self.halves()?.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }

    fn halves(&mut self) -> io::Result<&mut Halves> {
        self.halves.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Halves {
    /// Waits until the peer's window has capacity for some of the `wanted` bytes.
    fn poll_capacity(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<()>> {
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(self.why_closed(cx))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Returns the reason why nothing more can be sent.
    fn why_closed(&mut self, cx: &mut Context<'_>) -> io::Error {
        match self.send.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => io_error(reason.into()),
            Poll::Ready(Err(error)) => io_error(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }
    }

    /// Returns the payload of the next frame, possibly empty; `None` at the end of the stream.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        Poll::Ready(match ready!(self.receive.poll_data(cx)) {
            None => Ok(None),
            Some(Ok(data)) => Ok(Some(data)),
            // A server whose response is complete may reset the stream to stop the client from
            // sending.
            Some(Err(error)) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => {
                Ok(None)
            }
            Some(Err(error)) => Err(http2::read_error(io_error(error))),
        })
    }

    //= https://www.rfc-editor.org/rfc/rfc8441#section-5
    //# Orderly TCP-level closures are represented as END_STREAM flags
    fn end(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        self.send.send_data(Bytes::new(), true).map_err(io_error)
    }
}

impl Drop for Stream {
    /// Ends the stream: dropping both halves would reset the stream and discard pending data.
    fn drop(&mut self) {
        let Some(mut halves) = self.halves.take() else { return };
        if halves.end().is_err() || halves.receive.is_end_stream() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(timeout(LINGER, async move {
            // The data is discarded, without extending the server's window.
            while let Ok(Some(_)) = std::future::poll_fn(|cx| halves.poll_data(cx)).await {}
        }));
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        http2::poll_frames(buf, |buf| self.poll_frame(cx, buf))
    }
}

impl AsyncWrite for Stream {
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
        let all = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if all == 0 {
            return Poll::Ready(Ok(0));
        }
        let this = &mut *self;
        let halves = this.halves.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        // More bytes may be sent than the window has capacity for: a frame must be split where the
        // server's window ends, not where a buffer ends, since the parts could be short.
        ready!(halves.poll_capacity(cx, all.min(http2::MAX_WRITE)))?;
        let padding = this.padding.before(all).unwrap_or_default();
        let padded = padding.len();
        let data = Bytes::from(http2::gather(padding, bufs, http2::MAX_WRITE).into_owned());
        let taken = data.len() - padded;
        match halves.send.send_data(data, false) {
            Ok(()) => {
                this.padding.on_written(taken, all);
                Poll::Ready(Ok(taken))
            }
            Err(_) => Poll::Ready(Err(halves.why_closed(cx))),
        }
    }

    /// Returns at once: the connection's task writes the data.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.halves()?.end())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// Returns the error of the underlying transport, or the peer's reset of the stream or the
/// connection as the equivalent TCP error.
pub(super) fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    http2::reset_error(io::Error::other(error))
}
