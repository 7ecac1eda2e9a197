//! A byte stream over binary messages: carries any TCP protocol through a WebSocket, from a page.
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
//! The stream is the concatenated payload of all binary messages. Message boundaries have no
//! meaning, and empty messages are skipped. A text message is an error.
//!
//! Written bytes are collected in a buffer of 64 KiB. The buffer becomes one message on `flush`,
//! when it is full, or when a read has to wait, in this task or in another task that uses the other
//! half.
//!
//! # The end
//! A close frame with 1000, with 1001 or without a code is the end of the stream. Every other end
//! is an [`Error`]: another code, or an end of the transport without a close frame. A truncated
//! stream is never mistaken for a complete one.
//!
//! `shutdown` sends the buffered bytes, waits until the browser has written them, and closes the
//! connection with 1000. **A page cannot close one direction only**: a browser discards data that
//! arrives after the close. Data that arrived before can still be read, followed by the end of the
//! stream; a protocol in which the peer answers after the page has shut down loses that answer.
//!
//! Dropping a stream without `shutdown` closes the connection with 4006, so that the peer sees an
//! error and not the end of the stream. When the user leaves a page, the browser itself closes the
//! page's connections with 1001.

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
use crate::websocket::{LateMessages, Limits, SendCapacity};
pub use error::Error;

/// Size of the write buffer, in bytes, at which it becomes a message: the cork size of native
/// connections.
const CORK: usize = 64 * 1024;

/// Close code for text in a byte stream. Replaces 1003, which a page cannot send.
const UNSUPPORTED_DATA: u16 = 4003;

/// A stream of bytes over a WebSocket: see [the module](self).
///
/// Created by [`WebSocket::into_byte_stream`]. Two tasks may use its halves, as returned by
/// `tokio::io::split`.
pub struct ByteStream {
    ws: WebSocket,
    input: Bytes,
    /// The result at the end of the stream, once reading has ended.
    end: Option<Result<(), Error>>,
    output: BytesMut,
    is_shut_down: bool,
    read_timeout: Option<Duration>,
    read_deadline: Option<Sleep>,
    /// The send capacity that the reading task waits for, to send written bytes.
    reader_capacity: SendCapacity,
}

impl WebSocket {
    /// Converts the connection to a byte stream over binary messages.
    pub fn into_byte_stream(self) -> ByteStream {
        ByteStream::new(self)
    }
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
            reader_capacity: SendCapacity::default(),
        }
    }

    /// Returns the URL of the connection. A page cannot learn the peer's address.
    pub fn url(&self) -> &str {
        self.ws.url()
    }

    /// Sets the read timeout: the maximum wait of a read for bytes. `None` disables it. Default:
    /// `None`.
    ///
    /// A read that takes longer fails with [`Error::ReadTimedOut`], and the stream remains usable.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
        self.read_deadline = None;
    }

    /// Sets the write timeout: the maximum time without progress while written bytes wait for the
    /// peer to read, after which the connection counts as lost. `None` disables it. Default:
    /// [`Config::write_timeout`](sockeye_proto::Config::write_timeout()), which is 30 s. Detection
    /// may take twice as long.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        let connection = self.ws.connection();
        connection.set_limits(Limits { write: timeout, ..connection.limits() });
    }

    /// Waits for bytes, unless some are available or the stream has ended.
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

    /// Sends the written bytes before a read has to wait, or registers the reader for send
    /// capacity.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        let connection = self.ws.connection();
        match self.reader_capacity.poll(cx, connection, connection.limits().unsent) {
            Poll::Ready(Ok(())) => self.send_output(),
            // The error that the reader will see is more specific.
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

    /// Maps the end of the closing handshake to the end of the stream or an error.
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

    /// Waits for send capacity, and passes the write buffer to the browser.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.output.is_empty() {
            ready!(self.ws.poll_send_capacity(cx))?;
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

/// `poll_write` takes as many bytes as fit in the buffer.
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
            // A read that waits in another task has to send these bytes: no flush may follow.
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
            let begun = this.ws.connection().begin_close(frame, LateMessages::Received);
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
