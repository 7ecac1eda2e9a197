use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_proto::{Kind, UsageError};
use tokio::io::AsyncWrite;

use crate::driver::Driver;
use crate::error::{Error, Result};
#[cfg(doc)]
use crate::websocket::WebSocket;
use crate::websocket::split::StreamSender;

/// Length of a fragment's payload, in bytes. Equal to the unwritten output from which on feeding a
/// message waits: each fragment is a separate write, and two are never in memory.
const FRAGMENT_LENGTH: usize = 64 * 1024;

/// A message that is written in fragments: an [`AsyncWrite`] that [`finish`](Self::finish) ends.
/// Returned by [`WebSocket::send_stream`] or
/// [`split::Sender::send_stream`](crate::split::Sender::send_stream).
///
/// Written bytes are sent once 64 KiB are gathered, and by a flush: each makes a fragment. A
/// message that was gathered whole at its end is sent in one frame. Memory is bounded by two
/// fragments. With permessage-deflate, the message is compressed.
///
/// Like [`WebSocket::send`], a write receives nothing meanwhile: the next call that receives
/// answers pings and handles a close frame. On a split connection, the other half still receives.
///
/// # Errors
/// A write may fail like [`WebSocket::send`], with that [`Error`] inside the [`io::Error`]. Bytes
/// that are not valid UTF-8 in a text are an error of the kind `InvalidInput` when they are to be
/// sent, and are not sent: the message cannot be finished then. A text may be cut anywhere, within
/// a character as well.
///
/// # Cancel safety
/// A dropped `write` has taken nothing; the next `flush` or `shutdown` continues a dropped one. How
/// much a dropped `write_all` has taken is not known.
///
/// # Drop
/// A message cannot be taken back once a part of it was sent. If the writer is then dropped
/// unfinished, the connection begins to close with 1011 (internal error): the next call of any kind
/// writes the close frame, and nothing more can be sent. If nothing was sent yet, the message is
/// discarded as if it had never begun.
pub struct MessageWriter<'a> {
    destination: Destination<'a>,
    kind: Kind,
    /// Bytes that do not make a fragment yet.
    buffer: Vec<u8>,
    finished: bool,
}

/// The destination of the fragments.
enum Destination<'a> {
    Driver(&'a mut Driver),
    /// The writer task of a split connection.
    Split(StreamSender),
}

impl<'a> MessageWriter<'a> {
    pub(super) const fn new(driver: &'a mut Driver, kind: Kind) -> Self {
        Self { destination: Destination::Driver(driver), kind, buffer: Vec::new(), finished: false }
    }

    pub(in crate::websocket) const fn of_split(stream: StreamSender, kind: Kind) -> Self {
        Self { destination: Destination::Split(stream), kind, buffer: Vec::new(), finished: false }
    }

    /// Ends the message; returns once the whole message is written to the transport.
    ///
    /// # Errors
    /// [`Error::Usage`] with [`UsageError::InvalidUtf8`] for a text that ends within a character,
    /// and the errors of [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits for send capacity, the message is dropped
    /// unfinished. If the future is dropped later, the next call of any kind writes the rest.
    pub async fn finish(mut self) -> Result<()> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.finished {
            ready!(self.destination.poll_capacity(cx))?;
            self.destination.push(self.kind, &self.buffer, true)?;
            self.buffer = Vec::new();
            self.finished = true;
        }
        self.destination.poll_flush(cx)
    }

    /// Sends the gathered bytes as a fragment.
    fn poll_fragment(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.destination.poll_capacity(cx))?;
        self.destination.push(self.kind, &self.buffer, false)?;
        self.buffer.clear();
        Poll::Ready(Ok(()))
    }
}

impl Destination<'_> {
    /// Waits until a fragment may be sent.
    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self {
            Self::Driver(driver) => driver.poll_capacity(cx),
            Self::Split(stream) => stream.poll_capacity(cx),
        }
    }

    fn push(&mut self, kind: Kind, fragment: &[u8], last: bool) -> Result<(), UsageError> {
        match self {
            Self::Driver(driver) => driver.push_fragment(kind, fragment, last),
            Self::Split(stream) => stream.push(fragment, last),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self {
            Self::Driver(driver) => driver.poll_flush_output(cx),
            Self::Split(stream) => stream.poll_flush(cx),
        }
    }
}

impl AsyncWrite for MessageWriter<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(Err(Error::from(UsageError::NoMessage).into()));
        }
        if this.buffer.len() == FRAGMENT_LENGTH {
            ready!(this.poll_fragment(cx))?;
        }
        if this.buffer.is_empty() && buf.len() >= FRAGMENT_LENGTH {
            ready!(this.destination.poll_capacity(cx))?;
            this.destination
                .push(this.kind, &buf[..FRAGMENT_LENGTH], false)
                .map_err(Error::from)?;
            return Poll::Ready(Ok(FRAGMENT_LENGTH));
        }
        let length = buf.len().min(FRAGMENT_LENGTH - this.buffer.len());
        this.buffer.extend_from_slice(&buf[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.buffer.is_empty() {
            ready!(this.poll_fragment(cx))?;
        }
        this.destination.poll_flush(cx).map_err(Into::into)
    }

    /// Ends the message, like [`finish`](MessageWriter::finish).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx).map_err(Into::into)
    }
}

impl Drop for MessageWriter<'_> {
    fn drop(&mut self) {
        // A `StreamSender` cancels the message when it is dropped.
        let Destination::Driver(driver) = &mut self.destination else { return };
        if !self.finished {
            driver.cancel_message();
        }
    }
}

impl fmt::Debug for MessageWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("finished", &self.finished).finish_non_exhaustive()
    }
}
