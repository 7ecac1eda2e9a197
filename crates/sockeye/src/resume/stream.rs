use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Extensions;
use sockeye_proto::resume::Session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Error;
use super::shared::{MAX_UNSENT, Shared};

/// A byte stream that outlives its WebSocket, on a client or a server.
///
/// A client obtains one from [`connect`](Self::connect), a server from a
/// [`Listener`](super::Listener). A task serves the stream, so that acknowledgements and
/// reconnections do not depend on the calls of the program.
///
/// # Reads and writes
/// A write returns once its bytes are kept, and waits while
/// [`Limits::buffer`](super::Limits::buffer) is full: without a WebSocket, and while the other
/// program does not read. A flush waits until a WebSocket has taken all bytes. A shutdown ends the
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
/// deliver what was written, over as many WebSockets as needed, for up to
/// [`Limits::expiry`](super::Limits::expiry), and discards what arrives.
///
/// # Cancel safety
/// A write, flush or shutdown that is dropped while it waits has no effect; a read loses nothing.
#[must_use = "dropping the stream ends the session"]
pub struct ResumableStream {
    shared: Arc<Shared>,
    identity: Option<Arc<str>>,
    peer: Option<SocketAddr>,
    data: Extensions,
}

impl ResumableStream {
    pub(super) fn new(
        shared: Arc<Shared>,
        identity: Option<Arc<str>>,
        peer: Option<SocketAddr>,
        data: Extensions,
    ) -> Self {
        Self { shared, identity, peer, data }
    }

    /// Returns the identity to which the session belongs, on a server.
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Returns the client's address on the WebSocket that began the session, on a server; see
    /// [`WebSocket::peer_addr`](crate::WebSocket::peer_addr). Later WebSockets may come from others.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the application data of the WebSocket that began the session, on a server, for
    /// layers that pass it on: see [`WebSocket::data`](crate::WebSocket::data). Data of later
    /// WebSockets is dropped with them.
    pub const fn all_data(&self) -> &Extensions {
        &self.data
    }

    /// Returns whether a WebSocket is attached at the moment.
    pub fn is_attached(&self) -> bool {
        self.shared.lock().session.is_attached()
    }

    /// Drops the WebSocket and opens another one at once, on a client: for a program that knows that
    /// the WebSocket is useless, because the machine has slept or has changed networks. A delay or
    /// an attempt in progress is cut short as well. The session goes on. On a server, which waits
    /// for its client, this has no effect.
    pub fn reconnect(&self) {
        if self.identity.is_none() {
            self.shared.lock().reconnect();
        }
    }

    /// Returns the attachment of the stream, which can be asked while another task uses the stream.
    pub fn attachment(&self) -> Attachment {
        Attachment(Arc::clone(&self.shared))
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
        poll_fn(|cx| self.shared.lock().poll_until(Session::is_acknowledged, cx)).await
    }

    /// Waits until a WebSocket has taken most of what was written, unlike a write, which waits only
    /// while the buffer is full.
    pub(crate) fn poll_mostly_sent(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.lock().poll_until(|session| session.unsent() < MAX_UNSENT, cx)
    }

    /// Writes like [`AsyncWrite`] until `chunk` is empty. A long chunk is not copied.
    pub(crate) fn poll_write_chunk(
        &self,
        chunk: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let written = ready!(self.shared.lock().poll_write_chunk(chunk, cx))?;
        Poll::Ready(written.ok_or(Error::ShutDown))
    }

    /// Returns the next bytes; none at the end of the stream. Many bytes are not copied.
    pub(crate) fn poll_read_chunk(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let is_readable = ready!(state.poll_readable(cx))?;
        let chunk = if is_readable { state.read_chunk(usize::MAX, now) } else { Bytes::new() };
        Poll::Ready(Ok(chunk))
    }

    /// Waits until the session has begun, on a client.
    pub(super) async fn begun(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.shared.lock().poll_until(|session| session.token().is_some(), cx)).await
    }
}

/// The connection between a [`ResumableStream`] and its WebSockets. Holding one does not keep the
/// session.
#[derive(Clone, Debug)]
pub struct Attachment(Arc<Shared>);

impl Attachment {
    /// Returns whether a WebSocket is attached at the moment.
    pub fn is_attached(&self) -> bool {
        self.0.lock().session.is_attached()
    }
}

impl AsyncRead for ResumableStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if buf.remaining() == 0 {
            return Poll::Ready(state.check().map_err(io::Error::from));
        }
        if ready!(state.poll_readable(cx))? {
            let length = state.read(buf.initialize_unfilled(), now);
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
        let written = ready!(self.shared.lock().poll_write(buf, cx))?;
        Poll::Ready(written.ok_or_else(|| Error::ShutDown.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.lock().poll_until(Session::is_sent, cx).map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.lock().finish()?;
        self.poll_flush(cx)
    }
}

impl Drop for ResumableStream {
    fn drop(&mut self) {
        let now = self.shared.now();
        self.shared.lock().drop_stream(now);
    }
}

impl fmt::Debug for ResumableStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableStream")
            .field("identity", &self.identity)
            .field("is_attached", &self.is_attached())
            .finish_non_exhaustive()
    }
}
