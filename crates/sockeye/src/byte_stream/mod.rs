//! Any protocol of TCP over a WebSocket: a byte stream of binary messages, and a listener of such streams.
//!
//! A client turns its WebSocket into a stream:
//!
//! ```no_run
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut stream = sockeye::connect("wss://example.com/tunnel").await?.into_byte_stream();
//! stream.write_all(b"PING\r\n").await?;
//! stream.shutdown().await?;
//! let mut answer = Vec::new();
//! stream.read_to_end(&mut answer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A server accepts streams as if they came from a `TcpListener`: [`listener`] gives the listener, and what turns
//! requests into its streams.
//!
//! # Bytes and messages
//! The stream is the payload of all binary messages, one after the other. Their lengths and fragments mean nothing, and
//! messages without payload are passed over: whoever speaks so, in whatever language, is a peer. Messages are read while they
//! arrive, so that none is too long; [`Config::max_streamed_length`](crate::Config::max_streamed_length()) can limit them. A
//! text message is an error. Pings and pongs pass beside the stream.
//!
//! # Two ends
//! Each direction ends by itself, as those of TCP do. `shutdown` writes what is unwritten and a close frame with 1000; then
//! the stream can be read until the peer has closed its direction as well. Once the peer's close frame was read, as the end
//! of file, the stream can still be written; the closing handshake is answered by our own `shutdown`, as RFC 6455 section
//! 5.5.1 lets an endpoint wait until what it was sending is sent. A peer that goes on sending after our `shutdown` must not be
//! silent for longer than [60 s](HALF_CLOSE_TIMEOUT), or what [`ByteStream::set_half_close_timeout`] sets, which is checked
//! once in each such time while the stream is read.
//!
//! Not every peer takes part in that. Many libraries answer a close frame at once; to them, what they have not sent by
//! then is not sent. A page in a browser discards all that arrives after it called `close()`: a protocol that shuts one
//! direction down and then waits for an answer works between two byte streams of this crate, and not towards a page.
//!
//! A close frame with 1000, with 1001 or without a code is the end of the stream. Everything else is an [`Error`]: another
//! code, an end of the transport without a close frame, a close frame within a message. A stream that was cut is never
//! mistaken for one that ended. [`ByteStream::abort`] ends a stream so on purpose.
//!
//! A tunnel that copies bytes between a stream and a TCP connection must keep that up: to drop a `TcpStream` after an error
//! ends it in good order, and its peer takes a part of the data for the whole. [`ByteStream::carry`] copies both ways and
//! resets what failed.
//!
//! A server that stops ([`Drain`](crate::Drain)) closes its streams with 1001 while they are read, after what was written;
//! what would be written later fails with [`Error::ShutDown`], and the peer can be read until it has ended its direction as
//! well. A protocol with an end of its own, such as HTTP/2, should come to that first.
//!
//! # Deadlines
//! Those of the connection apply, and assume a peer that reads: a peer is pinged after 30 s of silence and given up 20 s
//! later ([`Config::ping_after`](crate::Config::ping_after())), and so is one that takes nothing of what is written for 30 s
//! ([`Config::write_timeout`](crate::Config::write_timeout())). Pings are answered by reading. A program that leaves a stream
//! unread for longer than that must have a peer whose deadlines are longer, or turned off; its own deadlines do not cut a stream
//! that is left unread. [`ByteStream::set_read_timeout`]
//! and [`ByteStream::set_write_timeout`] set those of one stream, [`ByteStream::deadlines`] points in time.

mod accept;
mod carry;
mod deadlines;
mod error;
#[cfg(feature = "hyper")]
mod hyper;
mod listener;
mod read;
#[cfg(feature = "hyper")]
mod service;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::WebSocket;
use crate::websocket::{Half, ProgressTimeout};
pub use accept::{Accept, PATIENCE, listener, listener_with_queue};
pub use deadlines::Deadlines;
pub use error::Error;
pub use listener::Listener;
use read::Reading;
use write::Writing;

/// How long a peer may be silent after our `shutdown` before reading gives it up: twice the time after which an idle
/// connection is pinged, which a connection that is closing is not.
pub const HALF_CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// A WebSocket as a byte stream: an `AsyncRead` and `AsyncWrite` like a `TcpStream`. It comes from
/// [`WebSocket::into_byte_stream`] and from a [`listener`]. With the feature `hyper` it is a `hyper::rt::Read`
/// and `hyper::rt::Write` as well.
///
/// The [module](self) tells what its bytes and its ends are.
///
/// # Writes
/// What is written is gathered, up to 64 KiB, and sent as one message: by a flush, when it is as much, or when a read has to
/// wait, of this task or of another that uses the other half. So a program that writes many small pieces needs no buffer of
/// its own, and nothing waits for longer than the program; but one that writes and does neither flush nor read must flush, as
/// with any buffered stream. Writes wait while 64 KiB of messages are unwritten: it never holds more than 128 KiB and their
/// headers.
///
/// # In two tasks
/// `tokio::io::split` gives the halves to two tasks. Either half can be dropped or stop waiting at any time.
///
/// # Errors
/// Those of the transport come as they are; all others have an [`Error`] inside.
///
/// # Cancel safety
/// It has no future of its own. Those of tokio's `AsyncReadExt` and `AsyncWriteExt` are as cancel safe as with any stream:
/// `read` and `write` lose nothing, and what was written when a flush is dropped is sent by the next call of any kind.
///
/// # Drop
/// To the peer, a stream that is dropped is cut, unless both directions have ended: it fails with an error there, in a handler
/// that returns as well. What was flushed before still arrives, as with a [`WebSocket`]; what was written and not flushed is
/// lost. `shutdown` ends the stream in good order.
pub struct ByteStream {
    ws: WebSocket,
    reading: Reading,
    writing: Writing,
    /// What was written and has not made a message yet: at most [`write::MESSAGE`] bytes.
    gathered: Vec<u8>,
    read_timeout: Option<Duration>,
    read_progress: ProgressTimeout,
    /// The deadlines, if somebody asked for them.
    watch: Option<Box<deadlines::Watch>>,
    /// Dropped with it: how whoever gave it away learns that it is gone.
    lease: Option<oneshot::Sender<()>>,
}

impl WebSocket {
    /// Makes a byte stream of the connection: see [`byte_stream`](self). The rest of a message that was being read comes
    /// first; what was fed is written first.
    pub fn into_byte_stream(mut self) -> ByteStream {
        self.allow_half_close(HALF_CLOSE_TIMEOUT);
        self.cut_when_dropped();
        ByteStream {
            ws: self,
            reading: Reading::Open,
            writing: Writing::Open,
            gathered: Vec::new(),
            read_timeout: None,
            read_progress: ProgressTimeout::default(),
            watch: None,
            lease: None,
        }
    }
}

impl ByteStream {
    /// The peer's address, where the transport has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.ws.peer_addr()
    }

    /// The address of this end, where the transport is plain TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.ws.local_addr()
    }

    /// The connection below: its data, subprotocol, round-trip time, and what the peer's close frame said.
    pub fn websocket(&self) -> &WebSocket {
        &self.ws
    }

    /// How long a read may wait, counted from the first wait since something was read; `None`, the default, for as long as
    /// the connection lives. A read that is dropped does not stop the clock.
    ///
    /// A read that waits for longer fails with [`Error::ReadTimedOut`], of the kind `TimedOut`. The stream is as it was, and
    /// the next read has as long again. Pings and pongs are no bytes: it is for protocols whose peers must have something to
    /// say. For peers that are gone there is [`Config::ping_after`](crate::Config::ping_after()).
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
        self.read_progress = ProgressTimeout::new(timeout);
    }

    /// How long what was written may wait for a transport that takes not one byte of it; `None` for as long as that lasts.
    /// Takes the place of [`Config::write_timeout`](crate::Config::write_timeout()), 30 s by default.
    ///
    /// A write, flush, shutdown or read that finds it passed fails with an error of the kind `TimedOut`, and the connection is
    /// over: nobody can tell how much of what was written arrived.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.ws.set_write_timeout(timeout);
    }

    /// The WebSocket again, to be closed at once.
    fn into_refused(mut self) -> WebSocket {
        self.ws.forbid_half_close();
        self.ws
    }

    /// How long the peer may be silent after our `shutdown` before reading gives it up. Default: [`HALF_CLOSE_TIMEOUT`]. To be
    /// set before the shutdown.
    pub fn set_half_close_timeout(&mut self, timeout: Duration) {
        self.ws.allow_half_close(timeout);
    }

    /// Polls one half by `work`, so that the task of the other half is woken for whatever it waits for.
    fn poll_half<T>(
        &mut self,
        half: Half,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let before = self.ws.progress();
        let polled = if self.poll_deadline(half, cx).is_ready() {
            Poll::Ready(Err(Error::DeadlinePassed.into()))
        } else {
            match self.ws.shared_waker(half, cx) {
                None => work(self, cx),
                Some(waker) => work(self, &mut Context::from_waker(&waker)),
            }
        };
        self.ws.half_polled(half, cx, polled.is_pending(), before);
        polled
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("ws", &self.ws)
            .field("reading", &self.reading)
            .field("writing", &self.writing)
            .field("leased", &self.lease.is_some())
            .finish_non_exhaustive()
    }
}
