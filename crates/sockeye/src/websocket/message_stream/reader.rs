use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_proto::Kind;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::IncomingStage;
use crate::WebSocket;

/// A message that is read while it arrives: an [`AsyncRead`] whose end is that of the message. It comes from
/// [`WebSocket::recv_stream`].
///
/// Memory is bounded, whatever the message's length: what one read of the transport brings, and 64 KiB of a piece that was
/// decompressed. As an [`AsyncBufRead`] it lends those bytes without a copy. What comes between the fragments is handled in
/// passing: pings are answered.
///
/// Text is checked as it arrives: what was read is the beginning of valid UTF-8, though it may end within a character. The
/// whole of it was checked when the end is reached.
///
/// # Errors
/// Each read may fail as [`WebSocket::recv`] does, with that [`Error`](crate::Error) inside the [`io::Error`]: it is of the
/// kind `InvalidData` when the peer broke a rule or a limit, `UnexpectedEof` when the connection ended before the message,
/// `TimedOut` when the peer fell silent. The connection is over then.
///
/// # Cancel safety
/// A read that is dropped has taken nothing. Of several, as in `read_exact` or `read_to_end`, those that were done have
/// put their bytes where they belong.
///
/// # Drop
/// If it is dropped before the end, the next [`recv`](WebSocket::recv) or [`recv_stream`](WebSocket::recv_stream) skips the
/// rest: it waits for all of it to arrive.
pub struct MessageReader<'a> {
    ws: &'a mut WebSocket,
    kind: Kind,
}

impl<'a> MessageReader<'a> {
    pub(in crate::websocket) fn new(ws: &'a mut WebSocket, kind: Kind) -> Self {
        Self { ws, kind }
    }

    /// Whether the message is text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Waits until there is something to read, or nothing left.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ws = &mut *self.ws;
        while ws.rest().is_empty() && matches!(ws.incoming.stage, IncomingStage::Open(_)) {
            if ws.ending.has_begun() {
                ready!(ws.poll_end(cx))?;
                // What it ended with was told before.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(ws.poll_piece(cx));
            // How long the next one may take does not depend on how long this one is looked at.
            ws.read_timeout.reset();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for MessageReader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_fill(cx))?;
        let rest = this.ws.rest();
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        this.ws.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for MessageReader<'_> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_fill(cx))?;
        Poll::Ready(Ok(this.ws.rest()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().ws.consume(amount);
    }
}

impl fmt::Debug for MessageReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("kind", &self.kind).finish_non_exhaustive()
    }
}
