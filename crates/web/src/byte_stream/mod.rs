//! Any protocol of TCP over a WebSocket, from a page: a byte stream of binary messages.
//!
//! ```no_run
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut stream = sockeye_web::connect("wss://example.com/tunnel").await?.into_byte_stream();
//! stream.write_all(b"PING\r\n").await?;
//! stream.flush().await?;
//! let mut answer = [0; 6];
//! stream.read_exact(&mut answer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Bytes and messages
//! The stream is the payload of all binary messages, one after the other. Their lengths mean nothing, and messages without
//! payload are passed over. A text message is an error.
//!
//! What is written is gathered in a buffer of 64 KiB, and becomes one message with `flush`, when the buffer is full, or when a
//! read has to wait, of this task or of another that uses the other half.
//!
//! # The end
//! A close frame with 1000, with 1001 or without a code is the end of the stream. Everything else is an [`Error`]: another
//! code, or an end of the transport without a close frame. A stream that was cut is never mistaken for one that ended.
//!
//! `shutdown` writes what is unwritten, waits until the browser has written it too, and closes the connection with 1000. **A page
//! cannot close one direction only**: a browser discards what arrives after that. What had arrived before can still be read, and
//! then the end; a protocol in which the peer answers after the page has shut down loses that answer.
//!
//! A stream that is dropped without `shutdown` closes the connection with 4006, so that its peer sees an error and not an end.
//! A page that the user leaves closes its connections with 1001, by the browser's own hand.

mod error;

use std::cmp;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sockeye_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::WebSocket;
use crate::timer::Sleep;
use crate::websocket::{Arrivals, Limits, Room};
pub use error::Error;

/// What is gathered before it becomes a message, in bytes: the cork of native connections.
const CORK: usize = 64 * 1024;

/// What stands for 1003 where a page has to say something: text came in place of bytes.
const UNSUPPORTED_DATA: u16 = 4003;

/// A stream of bytes over a WebSocket: see [the module](self).
///
/// It comes from [`WebSocket::into_byte_stream`]. Its halves may be used by two tasks, as `tokio::io::split` gives them.
pub struct ByteStream {
    ws: WebSocket,
    input: Bytes,
    /// How reading ended.
    end: Option<Result<(), Error>>,
    output: BytesMut,
    is_shut_down: bool,
    read_timeout: Option<Duration>,
    read_deadline: Option<Sleep>,
    /// For what was written, as the reader sees to it.
    reader_room: Room,
}

impl ByteStream {
    pub(crate) fn new(ws: WebSocket) -> Self {
        Self {
            ws,
            input: Bytes::new(),
            end: None,
            output: BytesMut::new(),
            is_shut_down: false,
            read_timeout: None,
            read_deadline: None,
            reader_room: Room::default(),
        }
    }

    /// The URL that it is connected to. A page does not learn the peer's address.
    pub fn url(&self) -> &str {
        self.ws.url()
    }

    /// How long a read may wait for bytes; `None` for as long as it takes. Default: `None`.
    ///
    /// A read that takes longer fails with [`Error::ReadTimedOut`], and the stream goes on.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
        self.read_deadline = None;
    }

    /// How long what was written may wait for a peer that takes nothing of it, before the connection counts as lost; `None`
    /// for as long as it takes. Default: [`Config::write_timeout`](sockeye_proto::Config::write_timeout), which is 30 s. It may take
    /// twice as long.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        let connection = self.ws.connection();
        connection.set_limits(Limits { write: timeout, ..connection.limits() });
    }

    /// Waits for bytes, unless there are some or the stream has ended.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.input.is_empty() {
            if let Some(end) = &self.end {
                return Poll::Ready(end.clone());
            }
            if let Err(error) = self.poll_output(cx) {
                return Poll::Ready(Err(error));
            }
            let Poll::Ready(received) = self.ws.poll_recv(cx) else {
                return self.poll_read_deadline(cx);
            };
            match received {
                Ok(Some(Message::Binary(bytes))) => self.input = bytes,
                Ok(Some(Message::Text(_))) => self.end = Some(Err(self.refuse_text())),
                Ok(None) => self.end = Some(self.closed()),
                Err(error) => self.end = Some(Err(error.into())),
            }
        }
        self.read_deadline = None;
        Poll::Ready(Ok(()))
    }

    /// Before a read has to wait, what was written goes out, or will when there is room.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        let connection = self.ws.connection();
        match self.reader_room.poll(cx, connection, connection.limits().unsent) {
            Poll::Ready(Ok(())) => self.send_output(),
            // The end that the reader will see tells more.
            Poll::Ready(Err(crate::Error::Closed(_) | crate::Error::Usage(_))) | Poll::Pending => {
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error.into()),
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(after) = self.read_timeout else { return Poll::Pending };
        let deadline = self.read_deadline.get_or_insert_with(|| Sleep::new(after));
        ready!(deadline.poll(cx));
        self.read_deadline = None;
        Poll::Ready(Err(Error::ReadTimedOut { after }))
    }

    /// What the end of the closing handshake means.
    fn closed(&self) -> Result<(), Error> {
        match self.ws.close_frame() {
            Some(frame) if !frame.code.is_orderly() => Err(Error::Closed(frame.clone())),
            _ => Ok(()),
        }
    }

    fn refuse_text(&self) -> Error {
        let code = CloseCode::from(UNSUPPORTED_DATA);
        let reason = Utf8Bytes::from_static("text in a stream of bytes");
        self.ws.connection().abandon(&CloseFrame::from(code).with_reason(reason));
        Error::Text
    }

    /// Waits for room, and gives what was gathered to the browser.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.output.is_empty() {
            ready!(self.ws.poll_room(cx))?;
            self.send_output()?;
        }
        Poll::Ready(Ok(()))
    }

    fn send_output(&mut self) -> Result<(), Error> {
        let message = self.output.split().freeze().into();
        Ok(self.ws.connection().send(&message)?)
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_input(cx))?;
        let length = cmp::min(buf.remaining(), this.input.len());
        buf.put_slice(&this.input[..length]);
        this.input.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// `poll_write` takes what there is room for in the buffer.
impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_shut_down {
            return Poll::Ready(Err(Error::ShutDown.into()));
        }
        if this.output.len() >= CORK {
            ready!(this.poll_send(cx))?;
        }
        if this.output.is_empty() {
            // A read that waits in another task is to send it: nobody knows whether a flush will come.
            this.ws.connection().wake_receiver();
        }
        let length = cmp::min(buf.len(), CORK - this.output.len());
        this.output.extend_from_slice(&buf[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_send(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_shut_down {
            return Poll::Ready(Ok(()));
        }
        if this.ws.connection().is_open() {
            ready!(this.poll_send(cx))?;
            ready!(this.ws.poll_sent(cx)).map_err(Error::from)?;
            let frame = CloseFrame::from(CloseCode::NORMAL_CLOSURE);
            let begun = this.ws.connection().begin_close(frame, Arrivals::Received);
            begun.map_err(Error::from)?;
        } else if !this.output.is_empty() {
            return Poll::Ready(Err(Error::ShutDown.into()));
        }
        this.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("ws", &self.ws)
            .field("input", &self.input.len())
            .field("output", &self.output.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
