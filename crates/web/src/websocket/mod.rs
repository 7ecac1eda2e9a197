//! Open connections.

mod closing;
mod connection;
mod halves;
mod limits;
mod send_capacity;
pub mod split;
mod stream_sink;

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};

use crate::error::Result;
use crate::socket::{Negotiated, Socket};
pub(crate) use connection::{Connection, LateMessages, check_close_frame};
pub(crate) use halves::Half;
pub(crate) use limits::Limits;
pub(crate) use send_capacity::SendCapacity;

/// A WebSocket connection of the browser.
///
/// Created by [`connect`](crate::connect) or a [`Client`](crate::Client).
///
/// ```no_run
/// # async fn example() -> sockeye_web::Result<()> {
/// let mut ws = sockeye_web::connect("wss://example.com/echo").await?;
/// ws.send("hello").await?;
/// while let Some(message) = ws.recv().await? {
///     println!("{message}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Every future of this type may be dropped at any await point: no message is lost, duplicated or
/// reordered.
///
/// # Drop
/// Dropping a `WebSocket` detaches it from the browser's socket, which is closed with 4006: unlike
/// a native program, a page cannot end a connection without a closing handshake. Use
/// [`close`](Self::close) to choose the code and reason.
pub struct WebSocket {
    connection: Rc<Connection>,
    send_capacity: SendCapacity,
}

impl WebSocket {
    pub(crate) fn new(socket: Socket, negotiated: Negotiated, limits: Limits, url: String) -> Self {
        let connection = Rc::new(Connection::new(socket, negotiated, limits, url));
        Self { connection, send_capacity: SendCapacity::default() }
    }

    /// Waits for the next message. Returns `None` after the closing handshake, started by either
    /// side: [`close_frame`](Self::close_frame) returns the peer's close frame.
    ///
    /// # Errors
    /// [`Error::Disconnected`](crate::Error::Disconnected) when the transport ends without a close
    /// frame; [`Error::Failed`](crate::Error::Failed); [`Error::Protocol`](crate::Error::Protocol)
    /// for a message that is too long; [`Error::QueueFull`](crate::Error::QueueFull);
    /// [`Error::TimedOut`](crate::Error::TimedOut) when the peer does not finish the closing
    /// handshake. The connection is over after any of them, and further calls return `None`.
    ///
    /// # Cancel safety
    /// If the future is dropped, no message is lost.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Sends a message. When this returns, the browser has taken the whole message. Waits while the
    /// browser buffers more than [`Client::send_buffer`](crate::Client::send_buffer) unsent bytes.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) if the connection was closed by either side or is
    /// over; [`Error::TimedOut`](crate::Error::TimedOut) with
    /// [`TimedOut::Writing`](sockeye_proto::TimedOut::Writing) if there is no send capacity and
    /// none of the unsent bytes are written for
    /// [`Config::write_timeout`](sockeye_proto::Config::write_timeout()), or for twice that at
    /// most; the connection is then over.
    ///
    /// # Cancel safety
    /// If the future is dropped while waiting for send capacity, the message was not sent.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        self.feed(message).await
    }

    /// Same as [`send`](Self::send): the browser writes messages as soon as it can.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Same as [`send`](Self::send).
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<()> {
        poll_fn(|cx| self.poll_send_capacity(cx)).await?;
        self.connection.send(&message.into())
    }

    /// Does nothing, because the browser has taken every message already. Provided for programs
    /// that also run natively.
    ///
    /// # Errors
    /// None.
    ///
    /// # Cancel safety
    /// The future may be dropped.
    #[allow(clippy::unused_async, reason = "its native twin waits")]
    pub async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Closes the connection after all messages sent before: sends a close frame, and waits until
    /// the peer has answered. Messages that arrive in between are discarded. If either side has
    /// started the closing handshake already, this call finishes it.
    ///
    /// While the browser buffers earlier messages,
    /// [`Config::write_timeout`](sockeye_proto::Config::write_timeout()) limits the time without
    /// progress. [`Config::close_timeout`](sockeye_proto::Config::close_timeout()) limits the rest,
    /// from when the browser has written all of them.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a code that a page must not send, which is any but
    /// 1000 and 3000 to 4999, and 1005 without a reason for an empty close frame, or a reason of
    /// more than 123 bytes; the connection then continues.
    /// Otherwise the errors of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// If the future is dropped, a later `close` or `recv` finishes the closing handshake.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        let frame = CloseFrame::from(code.into()).with_reason(reason);
        self.connection.begin_close(frame, LateMessages::Discarded)?;
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// Returns the peer's close frame; `None` if it has not arrived yet or was empty.
    ///
    /// If the program closed the connection, the browser reports the peer's answer, which usually
    /// repeats the program's close frame.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.connection.close_frame()
    }

    /// Returns the negotiated subprotocol, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        Some(self.connection.negotiated.subprotocol.as_str()).filter(|name| !name.is_empty())
    }

    /// Returns the extensions that the browser negotiated, as in `Sec-WebSocket-Extensions`, if
    /// any.
    pub fn extensions(&self) -> Option<&str> {
        Some(self.connection.negotiated.extensions.as_str()).filter(|list| !list.is_empty())
    }

    /// Returns the URL of the connection. A page cannot learn the peer's address.
    pub fn url(&self) -> &str {
        &self.connection.url
    }

    pub(crate) const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        self.connection.poll_recv(Half::Receive, cx)
    }

    /// Waits until there is send capacity for another message.
    pub(crate) fn poll_send_capacity(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.send_capacity.poll(cx, &self.connection, self.connection.limits().unsent)
    }

    /// Waits until the browser has written everything.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.send_capacity.poll(cx, &self.connection, 0)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("connection", &self.connection).finish_non_exhaustive()
    }
}
