use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_proto::{CloseCode, CloseFrame, Kind, UsageError};
use tokio::io::AsyncWrite;

use crate::error::{Error, Result};
use crate::websocket::WebSocket;
use crate::websocket::split::StreamSender;

/// The payload of a fragment, in bytes. As much as is unwritten when feeding a message begins to wait: so each fragment
/// is a write of its own, and two are never in memory.
const FRAGMENT: usize = 64 * 1024;

/// A message that is written in fragments: an [`AsyncWrite`] that [`finish`](Self::finish) ends. It comes from
/// [`WebSocket::send_stream`] or [`split::Sender::send_stream`](crate::split::Sender::send_stream).
///
/// What is written is sent when 64 KiB have come together, and by a flush: each makes a fragment. A message of which all
/// came together at its end is sent in one frame. Memory is bounded by two fragments. With permessage-deflate, the
/// message is compressed.
///
/// As with [`WebSocket::send`], nothing is received meanwhile: pings are answered, and a close frame is seen, by the next
/// call that receives. With halves, the other half receives as ever.
///
/// # Errors
/// A write may fail as [`WebSocket::send`] does, with that [`Error`] inside the [`io::Error`]. Bytes that make a text
/// anything but UTF-8 are an error of the kind `InvalidInput` when they are to be sent, and are not sent: the message cannot be finished
/// then. A text may be cut anywhere, within a character as well.
///
/// # Cancel safety
/// A `write` that is dropped has taken nothing; a `flush` or a `shutdown` is gone on with by the next one. How much a
/// `write_all` has taken is not known.
///
/// # Drop
/// A message cannot be taken back once a part of it was sent. If it is dropped unfinished then, the connection begins to
/// close with 1011 (internal error): the next call of any kind writes the close frame, and nothing more can be sent. If
/// nothing was sent yet, it is as if the message had never been begun.
pub struct MessageWriter<'a> {
    way: Way<'a>,
    kind: Kind,
    /// What has not made a fragment yet.
    buffer: Vec<u8>,
    finished: bool,
}

/// Which way the fragments go.
enum Way<'a> {
    WebSocket(&'a mut WebSocket),
    /// To the writer of a connection in two halves.
    Half(StreamSender),
}

impl<'a> MessageWriter<'a> {
    pub(super) const fn new(ws: &'a mut WebSocket, kind: Kind) -> Self {
        Self { way: Way::WebSocket(ws), kind, buffer: Vec::new(), finished: false }
    }

    pub(in crate::websocket) const fn of_half(stream: StreamSender, kind: Kind) -> Self {
        Self { way: Way::Half(stream), kind, buffer: Vec::new(), finished: false }
    }

    /// Ends the message: it is with the transport, whole, when this returns.
    ///
    /// # Errors
    /// [`Error::Usage`] with [`UsageError::InvalidUtf8`] for a text that ends within a character, and as
    /// [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// If it is dropped while it waits for room, the message is dropped unfinished. If it is dropped later, the rest will
    /// be written by the next call of any kind.
    pub async fn finish(mut self) -> Result<()> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.finished {
            ready!(self.way.poll_room(cx))?;
            self.way.push(self.kind, &self.buffer, true)?;
            self.buffer = Vec::new();
            self.finished = true;
        }
        self.way.poll_flush(cx)
    }

    /// Makes a fragment of what has come together.
    fn poll_fragment(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.way.poll_room(cx))?;
        self.way.push(self.kind, &self.buffer, false)?;
        self.buffer.clear();
        Poll::Ready(Ok(()))
    }
}

impl Way<'_> {
    /// Waits until a fragment may be sent.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self {
            Self::WebSocket(ws) => ws.poll_room(cx),
            Self::Half(stream) => stream.poll_room(cx),
        }
    }

    fn push(&mut self, kind: Kind, fragment: &[u8], last: bool) -> Result<(), UsageError> {
        match self {
            Self::WebSocket(ws) => ws.push_fragment(kind, fragment, last),
            Self::Half(stream) => stream.push(fragment, last),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self {
            Self::WebSocket(ws) => ws.poll_flush_output(cx),
            Self::Half(stream) => stream.poll_flush(cx),
        }
    }
}

impl WebSocket {
    /// Sends a part of the message that was begun, as a fragment.
    fn push_fragment(&mut self, kind: Kind, part: &[u8], last: bool) -> Result<(), UsageError> {
        let before = self.output.len();
        if last {
            self.connection.finish_message(part, self.output.buffer())?;
            self.role_metrics().count_sent(kind, part.len(), self.output.len() - before);
        } else {
            self.connection.append_fragment(part, self.output.buffer())?;
            self.role_metrics().count_sent_part(kind, part.len(), self.output.len() - before);
        }
        Ok(())
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
        if this.buffer.len() == FRAGMENT {
            ready!(this.poll_fragment(cx))?;
        }
        if this.buffer.is_empty() && buf.len() >= FRAGMENT {
            ready!(this.way.poll_room(cx))?;
            this.way.push(this.kind, &buf[..FRAGMENT], false).map_err(Error::from)?;
            return Poll::Ready(Ok(FRAGMENT));
        }
        let length = buf.len().min(FRAGMENT - this.buffer.len());
        this.buffer.extend_from_slice(&buf[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.buffer.is_empty() {
            ready!(this.poll_fragment(cx))?;
        }
        this.way.poll_flush(cx).map_err(Into::into)
    }

    /// Ends the message, as [`finish`](MessageWriter::finish).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx).map_err(Into::into)
    }
}

impl Drop for MessageWriter<'_> {
    fn drop(&mut self) {
        // The other way has a word of its own when it is dropped.
        let Way::WebSocket(ws) = &mut self.way else { return };
        if self.finished || ws.connection.cancel_message() {
            return;
        }
        let reason = "a message was not finished";
        let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR).with_reason(reason);
        // Refused only where the connection is closing already.
        let _ = ws.begin_close(Some(&frame));
    }
}

impl fmt::Debug for MessageWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("finished", &self.finished).finish_non_exhaustive()
    }
}
