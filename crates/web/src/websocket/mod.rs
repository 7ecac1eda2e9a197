//! The connection, once it is open.

mod closing;
mod connection;
mod halves;
mod room;
pub mod split;
mod stream_sink;

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};

use crate::byte_stream::ByteStream;
use crate::error::Result;
use crate::socket::{Negotiated, Socket};
pub(crate) use connection::{Arrivals, Connection, Limits, check};
pub(crate) use halves::Half;
pub(crate) use room::Room;

/// A WebSocket connection of the browser.
///
/// It comes from [`connect`](crate::connect) or from a [`Client`](crate::Client).
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
/// Every future of this type may be dropped at any await point: no message is lost, doubled or put out of order.
///
/// # Drop
/// Dropping it detaches it from the browser's socket, which is closed with 4006: a page cannot end a connection without a
/// closing handshake, as a native program does. [`close`](Self::close) ends a connection with a word of one's own.
pub struct WebSocket {
    connection: Rc<Connection>,
    room: Room,
}

impl WebSocket {
    pub(crate) fn new(socket: Socket, negotiated: Negotiated, limits: Limits, url: String) -> Self {
        let connection = Rc::new(Connection::new(socket, negotiated, limits, url));
        Self { connection, room: Room::default() }
    }

    /// Waits for the next message. `None` says that the closing handshake was done, whoever began it:
    /// [`close_frame`](Self::close_frame) tells what the peer said.
    ///
    /// # Errors
    /// [`Error::Disconnected`](crate::Error::Disconnected) when the transport ends without a close frame;
    /// [`Error::Failed`](crate::Error::Failed); [`Error::Protocol`](crate::Error::Protocol) for a message that is too long;
    /// [`Error::QueueFull`](crate::Error::QueueFull); [`Error::TimedOut`](crate::Error::TimedOut) when the peer does not finish the closing
    /// handshake. The connection is over after any of them, and further calls give `None`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Sends a message: it is with the browser, whole, when this returns. Waits while the browser holds more than
    /// [`Client::send_buffer`](crate::Client::send_buffer) bytes unsent.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) after the connection was closed by either side or is over;
    /// [`Error::TimedOut`](crate::Error::TimedOut) with [`TimedOut::Writing`](sockeye_proto::TimedOut::Writing) when there is no room, and
    /// nothing is taken of what is unsent for [`Config::write_timeout`](sockeye_proto::Config::write_timeout), or for twice that
    /// at most; the connection is over then.
    ///
    /// # Cancel safety
    /// If it is dropped while it waits for room, the message was not taken.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        self.feed(message).await
    }

    /// As [`send`](Self::send): the browser writes what it is given as soon as it can.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<()> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.connection.send(&message.into())
    }

    /// Does nothing, as whatever was fed is with the browser. It is here for programs that run native as well.
    ///
    /// # Errors
    /// None.
    ///
    /// # Cancel safety
    /// Nothing depends on it.
    #[allow(clippy::unused_async, reason = "its native twin waits")]
    pub async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Closes the connection after what was sent: sends a close frame, and waits until the peer has answered. Messages that
    /// arrive in between are discarded. If the closing handshake has begun already, whoever began it, this finishes it.
    ///
    /// What was sent before takes at most [`Config::write_timeout`](sockeye_proto::Config::write_timeout) from one part taken by the
    /// browser's transport to the next, and the rest at most [`Config::close_timeout`](sockeye_proto::Config::close_timeout) from when
    /// the browser holds none of it any more.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a code that a page must not send, which are all but 1000 and 3000 to 4999, or a
    /// reason of more than 123 bytes, whereupon the connection goes on; otherwise as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// If it is dropped, `close` or `recv` finish what it began.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        let frame = CloseFrame::from(code.into()).with_reason(reason);
        self.connection.begin_close(frame, Arrivals::Discarded)?;
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// The connection as a stream of bytes, as binary messages carry it.
    pub fn into_byte_stream(self) -> ByteStream {
        ByteStream::new(self)
    }

    /// What the peer's close frame said; `None` before it arrived, or when it said nothing.
    ///
    /// If the program closed the connection, the browser reports the peer's answer, which as a rule repeats it.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.connection.close_frame()
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        Some(self.connection.negotiated.subprotocol.as_str()).filter(|name| !name.is_empty())
    }

    /// The extensions that the browser agreed on, as `Sec-WebSocket-Extensions` states them.
    pub fn extensions(&self) -> Option<&str> {
        Some(self.connection.negotiated.extensions.as_str()).filter(|list| !list.is_empty())
    }

    /// The URL that it is connected to. A page does not learn the peer's address.
    pub fn url(&self) -> &str {
        &self.connection.url
    }

    pub(crate) const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        self.connection.poll_recv(Half::Receive, cx)
    }

    /// Waits until another message may be sent.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.room.poll(cx, &self.connection, self.connection.limits().unsent)
    }

    /// Waits until the browser has written everything.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.room.poll(cx, &self.connection, 0)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("connection", &self.connection).finish_non_exhaustive()
    }
}
