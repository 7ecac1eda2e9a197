//! Any protocol of TCP over a WebSocket: a byte stream of binary messages, and a listener of such
//! streams.
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
//! A server accepts streams as if they came from a `TcpListener`: [`listener`] returns the
//! listener, and a handle that makes its streams of requests.
//!
//! # Bytes and messages
//! The stream is the payload of all binary messages, one after the other. Message lengths and
//! fragments have no meaning, and messages without payload are skipped: any WebSocket library can
//! be the peer. Messages are read while they arrive, so that none is too long;
//! [`Config::max_streamed_length`](crate::Config::max_streamed_length()) can limit them. A text
//! message is an error. Pings and pongs pass beside the stream.
//!
//! # Two ends
//! Each direction ends by itself, as in TCP. `shutdown` writes the remaining output and a close
//! frame with 1000; then the stream can be read until the peer has closed its direction as well.
//! Once the peer's close frame was read, as the end of file, the stream can still be written; our
//! own `shutdown` answers the closing handshake, as RFC 6455 section 5.5.1 lets an endpoint finish
//! what it is sending first. A peer that continues to send after our `shutdown` must not be silent
//! for longer than [60 s](HALF_CLOSE_TIMEOUT), or the timeout that
//! [`ByteStream::set_half_close_timeout`] sets, which is checked once in each such time while the
//! stream is read.
//!
//! Not every peer supports half-closed connections. Many libraries answer a close frame at once,
//! and never send what they have not sent by then. A page in a browser discards all messages that
//! arrive after it called `close()`: a protocol that shuts one direction down and then waits for an
//! answer works between two byte streams of this crate, and not with a page.
//!
//! A close frame with 1000, with 1001 or without a code is the end of the stream. Everything else
//! is an [`Error`]: another code, an end of the transport without a close frame, a close frame
//! within a message. A stream that was cut is never mistaken for one that ended.
//! [`ByteStream::abort`] cuts a stream on purpose.
//!
//! A tunnel that copies bytes between a stream and a TCP connection must preserve the difference:
//! dropping a `TcpStream` after an error ends it in an orderly way, and its peer takes a part of
//! the data for the whole. [`ByteStream::copy_bidirectional`] copies both ways, and fails both
//! sides when one fails.
//!
//! A server that shuts down ([`Drain`](crate::Drain)) closes its streams with 1001 while they are
//! read, after the bytes written before; later writes fail with [`Error::ShutDown`], and the peer
//! can be read until it has ended its direction as well. A protocol with an orderly end, such as
//! HTTP/2, should reach that end first.
//!
//! # Deadlines
//! The deadlines of the connection apply, and assume a peer that reads: a peer is pinged after 30 s
//! of silence and dropped 20 s later ([`Config::ping_after`](crate::Config::ping_after())), and a
//! peer that takes no output for 30 s is dropped as well
//! ([`Config::write_timeout`](crate::Config::write_timeout())). Pings are answered by reading. A
//! program that leaves a stream unread for longer than that must have a peer whose deadlines are
//! longer, or turned off; the program's own deadlines do not cut a stream that is left unread.
//! [`ByteStream::set_read_timeout`] and [`ByteStream::set_write_timeout`] set the timeouts of one
//! stream, [`ByteStream::deadlines`] sets points in time.

mod accept;
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
mod tunnel;
mod write;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::WebSocket;
use crate::driver::{Half, ProgressTimeout};
pub use accept::{ACCEPT_TIMEOUT, Accept, listener, listener_with_queue};
pub use deadlines::Deadlines;
pub use error::Error;
pub use listener::Listener;
use read::Reading;
use write::Writing;

/// Default timeout of a peer that is silent after our `shutdown`: twice the time after which an
/// idle connection is pinged, since a connection that is closing is not pinged.
pub const HALF_CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// A WebSocket as a byte stream: an `AsyncRead` and `AsyncWrite` like a `TcpStream`. Returned by
/// [`WebSocket::into_byte_stream`] and by a [`listener`]. With the feature `hyper`, also a
/// `hyper::rt::Read` and `hyper::rt::Write`.
///
/// The [module](self) documents the bytes and the ends of a stream.
///
/// # Writes
/// Written bytes are gathered, up to 64 KiB, and sent as one message: by a flush, at 64 KiB, or
/// when a read has to wait, in this task or in another that uses the other half. So a program that
/// writes many small pieces needs no other buffer, and bytes wait no longer than until the
/// program waits; but a program that writes and neither flushes nor reads must flush, as with any
/// buffered stream. Writes wait while 64 KiB of messages are unwritten: the stream never holds more
/// than 128 KiB and the frame headers.
///
/// # In two tasks
/// `tokio::io::split` gives the halves to two tasks. Either half can be dropped or stop waiting at
/// any time.
///
/// # Errors
/// Errors of the transport are returned unchanged; all others have an [`Error`] inside.
///
/// # Cancel safety
/// The futures of tokio's `AsyncReadExt` and `AsyncWriteExt` are as cancel safe as with any stream:
/// `read` and `write` lose nothing, and the next call of any kind sends the bytes of a dropped
/// flush.
///
/// # Drop
/// A dropped stream is cut, unless both directions have ended: the peer gets an error, also when a
/// handler returns. Bytes flushed before still arrive, as with a [`WebSocket`]; bytes written and
/// not flushed are lost. `shutdown` ends the stream in an orderly way.
pub struct ByteStream {
    ws: WebSocket,
    reading: Reading,
    writing: Writing,
    /// Written bytes that do not make a message yet: at most [`write::MAX_MESSAGE_LENGTH`] bytes.
    gathered: Vec<u8>,
    read_timeout: Option<Duration>,
    read_progress: ProgressTimeout,
    /// The deadlines, once [`ByteStream::deadlines`] was called.
    deadline_timers: Option<Box<deadlines::DeadlineTimers>>,
    /// Dropped with the stream, which notifies the task that passed it to the listener.
    drop_signal: Option<oneshot::Sender<()>>,
}

impl WebSocket {
    /// Converts the connection into a byte stream: see [`byte_stream`](self). The rest of a message
    /// that was being read comes first; fed messages are written first.
    pub fn into_byte_stream(mut self) -> ByteStream {
        self.driver.allow_half_close(HALF_CLOSE_TIMEOUT);
        self.driver.linger_when_dropped();
        ByteStream {
            ws: self,
            reading: Reading::Open,
            writing: Writing::Open,
            gathered: Vec::new(),
            read_timeout: None,
            read_progress: ProgressTimeout::default(),
            deadline_timers: None,
            drop_signal: None,
        }
    }
}

impl ByteStream {
    /// Returns the peer's address, where the transport has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.ws.peer_addr()
    }

    /// Returns the local address, where the transport is plain TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.ws.driver.local_addr()
    }

    /// Returns the underlying connection: its data, subprotocol, round-trip time, and the peer's
    /// close frame.
    pub fn websocket(&self) -> &WebSocket {
        &self.ws
    }

    /// Sets the timeout of a read, counted from the first wait since bytes were last read; `None`,
    /// the default, for no limit as long as the connection lives. Dropping a read does not stop the
    /// clock.
    ///
    /// A read that waits for longer fails with [`Error::ReadTimedOut`], of the kind `TimedOut`. The
    /// stream is unchanged, and the next read has the same timeout again. Pings and pongs do not
    /// count as bytes: the timeout is for protocols whose peers must have something to say.
    /// [`Config::ping_after`](crate::Config::ping_after()) detects peers that are gone.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
        self.read_progress = ProgressTimeout::new(timeout);
    }

    /// Sets the timeout of output of which the transport takes not one byte; `None` for no limit.
    /// Replaces [`Config::write_timeout`](crate::Config::write_timeout()), 30 s by default.
    ///
    /// A write, flush, shutdown or read after the timeout fails with an error of the kind
    /// `TimedOut`, and the connection is over: it is unknown how many of the written bytes arrived.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.ws.driver.set_write_timeout(timeout);
    }

    /// Returns the WebSocket, to be closed at once.
    fn into_refused(mut self) -> WebSocket {
        self.ws.driver.forbid_half_close();
        self.ws
    }

    /// Sets the timeout of a peer that is silent after our `shutdown`. Default:
    /// [`HALF_CLOSE_TIMEOUT`]. Must be set before the shutdown.
    pub fn set_half_close_timeout(&mut self, timeout: Duration) {
        self.ws.driver.allow_half_close(timeout);
    }

    /// Polls one half with `work`. Ensures that the task of the other half, if it waits, is still
    /// woken.
    fn poll_half<T>(
        &mut self,
        half: Half,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let before = self.ws.driver.progress();
        let polled = if self.poll_deadline(half, cx).is_ready() {
            Poll::Ready(Err(Error::DeadlinePassed.into()))
        } else {
            match self.ws.driver.shared_waker(half, cx) {
                None => work(self, cx),
                Some(waker) => work(self, &mut Context::from_waker(&waker)),
            }
        };
        self.ws.driver.on_half_polled(half, cx, polled.is_pending(), before);
        polled
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("ws", &self.ws)
            .field("reading", &self.reading)
            .field("writing", &self.writing)
            .field("from_listener", &self.drop_signal.is_some())
            .finish_non_exhaustive()
    }
}
