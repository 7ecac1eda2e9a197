use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use sockeye_proto::resume::Session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Error;
use super::shared::Shared;
use crate::timer;

/// A byte stream that outlives its WebSocket.
///
/// Created by [`connect`](Self::connect). A task of the page or worker serves the stream, so that
/// acknowledgements and reconnections do not depend on the calls of the program.
///
/// # Reads and writes
/// A write returns once its bytes are kept, and waits while
/// [`Limits::buffer`](super::Limits::buffer) is full: without a WebSocket, and while the other
/// program does not read. A flush waits until the browser has taken all bytes. A shutdown ends the
/// local direction, flushes, and leaves the other direction open.
/// [`acknowledged`](Self::acknowledged) waits until the other program has read everything.
///
/// # Errors
/// Every call of a session that has ended with an error fails with that [`Error`], inside an
/// [`io::Error`]. Bytes that had arrived and were not read are dropped then: no part of the data is
/// taken for the whole.
///
/// # Drop
/// Dropping a stream that was not shut down ends the session: the other program's calls fail with
/// [`ResumeError::Reset`](super::ResumeError::Reset). A stream that was shut down continues to
/// deliver what was written, over as many WebSockets as needed, for up to the server's expiry, and
/// discards what arrives.
///
/// # Cancel safety
/// A write, flush or shutdown that is dropped while it waits has no effect; a read loses nothing.
#[must_use = "dropping the stream ends the session"]
pub struct ResumableStream {
    shared: Rc<Shared>,
}

impl ResumableStream {
    pub(super) const fn new(shared: Rc<Shared>) -> Self {
        Self { shared }
    }

    /// Returns whether a WebSocket is attached at the moment.
    pub fn is_attached(&self) -> bool {
        self.shared.state().session.is_attached()
    }

    /// Drops the WebSocket and opens another one at once: for a program that knows that the
    /// WebSocket is useless, because the page was frozen or the machine has changed networks. A
    /// delay or an attempt in progress is cut short as well. The session goes on.
    pub fn reconnect(&self) {
        self.shared.state().reconnect();
    }

    /// Waits until the other program has read everything that was written, including the end of the
    /// stream after a shutdown.
    ///
    /// # Errors
    /// The error that ended the session. It is unknown then how much the other program has read.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn acknowledged(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.shared.state().poll_until(Session::is_acknowledged, cx)).await
    }

    /// Waits until the session has begun.
    pub(super) async fn begun(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.shared.state().poll_until(|session| session.token().is_some(), cx)).await
    }
}

impl AsyncRead for ResumableStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.shared.state();
        if buf.remaining() == 0 {
            return Poll::Ready(state.check().map_err(io::Error::from));
        }
        if ready!(state.poll_readable(cx))? {
            let length = state.read(buf.initialize_unfilled(), timer::now());
            buf.advance(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ResumableStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.shared.state().poll_write(buf, cx))?;
        Poll::Ready(written.ok_or_else(|| Error::ShutDown.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.state().poll_until(Session::is_sent, cx).map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.state().finish()?;
        self.poll_flush(cx)
    }
}

impl Drop for ResumableStream {
    fn drop(&mut self) {
        self.shared.state().drop_stream(timer::now());
    }
}

impl fmt::Debug for ResumableStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableStream")
            .field("is_attached", &self.is_attached())
            .finish_non_exhaustive()
    }
}
