use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_proto::Kind;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

#[cfg(doc)]
use crate::WebSocket;
use crate::driver::Driver;

/// A message that is read while it arrives: an [`AsyncRead`] that ends with the message. Returned
/// by [`WebSocket::recv_stream`].
///
/// Memory is bounded, whatever the message's length: the input of one read of the transport, and 64
/// KiB of a decompressed piece. [`AsyncBufRead`] lends those bytes without a copy. Control frames
/// between the fragments are handled meanwhile: pings are answered.
///
/// Text is checked as it arrives: the bytes read are the beginning of valid UTF-8, though they may
/// end within a character. At the end, the whole text was checked.
///
/// # Errors
/// Each read may fail like [`WebSocket::recv`], with that [`Error`](crate::Error) inside the
/// [`io::Error`], whose kind is `InvalidData` when the peer broke a rule or a limit,
/// `UnexpectedEof` when the connection ended before the message, `TimedOut` when the peer fell
/// silent. The connection is over then.
///
/// # Cancel safety
/// A dropped read has taken nothing. Of several reads, as in `read_exact` or `read_to_end`, those
/// that completed have put their bytes into the buffer.
///
/// # Drop
/// If the reader is dropped before the end, the next [`recv`](WebSocket::recv) or
/// [`recv_stream`](WebSocket::recv_stream) skips the rest: it waits for all of the rest to arrive.
pub struct MessageReader<'a> {
    driver: &'a mut Driver,
    kind: Kind,
}

impl<'a> MessageReader<'a> {
    pub(in crate::websocket) fn new(driver: &'a mut Driver, kind: Kind) -> Self {
        Self { driver, kind }
    }

    /// Returns whether the message is text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
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
        ready!(this.driver.poll_fill(cx))?;
        let rest = this.driver.rest();
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        this.driver.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for MessageReader<'_> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.driver.poll_fill(cx))?;
        Poll::Ready(Ok(this.driver.rest()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().driver.consume(amount);
    }
}

impl fmt::Debug for MessageReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("kind", &self.kind).finish_non_exhaustive()
    }
}
