//! An open WebSocket connection.

mod data;
mod frames;
mod message_stream;
mod prepared;
pub mod split;
mod stream_sink;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use sockeye_proto::{
    CloseCode, CloseFrame, Config, Connection, MemoryBudget, Message, Rtt, Utf8Bytes,
};

use crate::close_payload::ClosePayload;
use crate::drain::registry::Member;
use crate::driver::Driver;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::traffic::Traffic;
use crate::transport::Transport;
use crate::upgrade::UpgradeRequest;
pub use frames::{FrameReceiver, FrameSender};
pub use message_stream::{MessageReader, MessageWriter};

/// A WebSocket connection: client or server, over any transport.
///
/// Obtained from [`connect`](crate::connect), from a [`Client`](crate::Client), or by
/// [upgrading](crate::upgrade) a request.
///
/// ```no_run
/// # async fn example() -> sockeye::Result<()> {
/// let mut ws = sockeye::connect("ws://127.0.0.1:8080/echo").await?;
/// ws.send("hello").await?;
/// while let Some(message) = ws.recv().await? {
///     println!("{message}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # One task drives it
/// Every method takes `&mut self`. Pings are answered, the keepalive deadline is watched and fed
/// messages are written while [`recv`](Self::recv) is awaited: a program that only sends should
/// still receive now and then.
///
/// # Cancel safety
/// Every future of this type may be dropped at any await point, as by `tokio::select!`: no byte is
/// lost, duplicated or reordered. Each method documents what a dropped call leaves undone.
///
/// # Drop
/// [`close`](Self::close) ends a connection in an orderly way. The handler of a
/// [`Server`](crate::Server), a [`Drain`](crate::Drain) or an axum upgrade may leave closing to the
/// task that runs it: the task closes a connection that the handler dropped with 1000 (normal
/// closure), or with 1011 (internal error) when the handler returned an error.
///
/// Elsewhere, the peer of a dropped connection sees 1006. Messages that were sent or fed still
/// arrive: a background task writes them, ends the writing half of the transport, and discards
/// input until the peer has ended its half, all within
/// [`Config::close_timeout`](crate::Config::close_timeout()). Outside a tokio runtime, the
/// transport is dropped at once.
pub struct WebSocket {
    pub(crate) driver: Driver,
    /// Boxed, since most connections negotiate nothing.
    negotiated: Option<Box<NegotiatedHeaders>>,
    /// Stored, since a socket no longer reports the address once the connection is lost.
    peer: Option<SocketAddr>,
}

/// The results of the opening handshake, beyond the connection itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct NegotiatedHeaders {
    pub(crate) subprotocol: Option<String>,
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    pub(crate) extensions: Option<String>,
}

impl WebSocket {
    /// Creates a connection after the opening handshake; `input` holds the bytes read beyond the
    /// handshake.
    pub(crate) fn new(
        transport: Transport,
        connection: Connection,
        input: BytesMut,
        negotiated: NegotiatedHeaders,
    ) -> Self {
        let agreed = negotiated.subprotocol.is_some() || negotiated.extensions.is_some();
        let peer = transport.peer_addr();
        Self {
            driver: Driver::new(transport, connection, input),
            negotiated: agreed.then(|| Box::new(negotiated)),
            peer,
        }
    }

    /// Sets the timeouts that the driver enforces on the transport.
    pub(crate) fn with_timeouts(mut self, config: &Config) -> Self {
        self.driver.set_timeouts(config);
        self
    }

    /// Shuts down the local half of the transport as soon as both close frames have passed, even on
    /// a client.
    #[cfg(feature = "http2")]
    pub(crate) fn with_shutdown_first(mut self) -> Self {
        self.driver.shut_down_first();
        self
    }

    /// Charges the memory of unfinished messages to a budget.
    pub(crate) fn with_budget(mut self, budget: &MemoryBudget) -> Self {
        self.driver.set_budget(budget);
        self
    }

    /// Registers the connection with a drain.
    pub(crate) fn join_drain(&mut self, member: Arc<Member>) {
        self.driver.join_drain(member);
    }

    /// Returns the next message, or `None` after the closing handshake, whichever side began it:
    /// [`close_frame`](Self::close_frame) returns the peer's close frame.
    ///
    /// All [fed](Self::feed) messages are written before `recv` waits. A message may share its
    /// buffer with others: see [`Message`].
    ///
    /// # Errors
    /// [`Error::Protocol`] when the peer breaks a rule or exceeds a limit, after a close frame has
    /// notified the peer; [`Error::Disconnected`] when the transport ends without a close frame;
    /// [`Error::ClosedMidMessage`]; [`Error::TimedOut`] when the peer does not answer a ping, does
    /// not take output, or does not finish a message that it began
    /// ([`Config::read_timeout`](crate::Config::read_timeout())); [`Error::Io`]. The connection is
    /// over after any of these errors, and further calls return `None`.
    ///
    /// # Cancel safety
    /// No message is lost: the next call continues a message that was received in part.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.driver.poll_recv(cx)).await
    }

    /// Sends a message; returns once the whole message is written to the transport.
    ///
    /// In a handler that a [`Server`](crate::Server), a [`Drain`](crate::Drain) or an axum upgrade
    /// runs, `send` returns at once while more input is available, and the message is written when
    /// the handler waits for anything, at the latest when all of that input was received. The next
    /// call returns an error of that write; [`flush`](Self::flush) writes at once.
    ///
    /// `send` receives nothing while it waits for the peer to read. If both sides send more than
    /// the buffers between them hold before they receive, both wait until
    /// [`Config::write_timeout`](crate::Config::write_timeout()): [`split`](Self::split) receives
    /// and sends at the same time. `send` does not read ahead, since no bound on the buffered input
    /// would suffice for messages of any number and length.
    ///
    /// # Errors
    /// [`Error::Closed`] after either side closed the connection, [`Error::Io`];
    /// [`Error::TimedOut`] with [`TimedOut::Writing`](crate::TimedOut::Writing) when the transport
    /// takes nothing for [`Config::write_timeout`](crate::Config::write_timeout()), after which the
    /// connection is over. After an error ended the connection, the same error again.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits for send capacity, the message was not queued. If
    /// the future is dropped later, the next call of any kind writes the message.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        self.feed(message).await?;
        poll_fn(|cx| self.driver.poll_flush_or_defer(cx)).await
    }

    /// Queues a message. It is written by the next [`flush`](Self::flush), once 64 KiB are queued,
    /// or at the latest when [`recv`](Self::recv) has to wait. Waits only while the output is full.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits, the message was not queued.
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        poll_fn(|cx| self.driver.poll_capacity_for(cx, message.len())).await?;
        self.driver.push(message)
    }

    /// Writes all fed messages; returns once the transport has taken them.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::TimedOut`], as for [`send`](Self::send). After an error ended the
    /// connection, the same error again.
    ///
    /// # Cancel safety
    /// The next call of any kind writes the remaining output.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.driver.poll_flush_sent(cx)).await
    }

    /// Sends a ping with a payload of at most 125 bytes. [`recv`](Self::recv) handles the pong and
    /// does not report it: [`split::Sender::ping`] waits for the pong and returns the round-trip
    /// time.
    ///
    /// # Errors
    /// [`Error::Usage`] for a longer payload, [`Error::Closed`] after the connection was closed,
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// Same as [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<()> {
        poll_fn(|cx| self.driver.poll_capacity(cx)).await?;
        self.driver.push_ping(payload)?;
        self.flush().await
    }

    /// Closes the connection: sends a close frame, and waits until the peer has answered and the
    /// transport has ended. Messages that arrive meanwhile are discarded. If either side has begun
    /// the closing handshake already, `close` finishes that handshake.
    ///
    /// Messages sent or fed before are written first, however slowly the peer reads: this takes at
    /// most [`Config::write_timeout`](crate::Config::write_timeout()) from one byte taken to the
    /// next. Once the close frame is written, the rest takes at most
    /// [`Config::close_timeout`](crate::Config::close_timeout()).
    ///
    /// [`CloseCode::NO_STATUS_RCVD`] (1005), which stands for a missing code (RFC 6455 section
    /// 7.1.5), sends an empty close frame if the reason is empty.
    ///
    /// # Errors
    /// [`Error::Usage`] for a code that must not be sent or a reason of more than 123 bytes, after
    /// which the connection is still open; otherwise same as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// If the future is dropped before the close frame was queued, nothing has happened; later,
    /// `close` or `recv` finish the closing handshake.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        self.close_with(ClosePayload::new(code, reason)?).await
    }

    pub(crate) async fn close_with(&mut self, payload: ClosePayload) -> Result<()> {
        self.driver.close(payload).await
    }

    /// Makes [`recv`](Self::recv) close the connection with `code` when `signal` is ready: `recv`
    /// continues to return the messages that arrive until the peer has answered, and then `None`. A
    /// server that shuts down can close its connections this way, wherever their handlers are.
    ///
    /// A second call replaces the first signal. A code that must not be sent (see [`CloseCode`]) is
    /// sent as a close frame without a code.
    pub fn close_when(
        &mut self,
        signal: impl Future<Output = ()> + Send + 'static,
        code: impl Into<CloseCode>,
    ) {
        self.driver.set_close_signal(signal, code.into());
    }

    /// Returns the peer's close frame; `None` before it arrived, or when it was empty.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.driver.close_frame()
    }

    /// Returns counts of the messages of this connection, which begin with the first call: a call
    /// right after the opening handshake counts all of them. They go on, and remain, in all other
    /// forms of the connection: halves and byte streams.
    ///
    /// ```
    /// use sockeye::WebSocket;
    ///
    /// async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    ///     let traffic = ws.traffic();
    ///     while let Some(message) = ws.recv().await? {
    ///         ws.send(message).await?;
    ///     }
    ///     println!("{} messages, closed with {:?}", traffic.sent_messages(), traffic.close_code());
    ///     Ok(())
    /// }
    /// ```
    pub fn traffic(&mut self) -> Traffic {
        self.driver.traffic()
    }

    /// Returns the negotiated subprotocol.
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.as_ref()?.subprotocol.as_deref()
    }

    /// Returns the negotiated extensions, as `Sec-WebSocket-Extensions` states them.
    pub fn extensions(&self) -> Option<&str> {
        self.negotiated.as_ref()?.extensions.as_deref()
    }

    /// Returns the round-trip time, once a keepalive ping was answered: keepalive pings are sent
    /// when the peer was silent for [`Config::ping_after`](crate::Config::ping_after()).
    pub fn rtt(&self) -> Option<Rtt> {
        self.driver.rtt()
    }

    /// Returns the peer's address, where the transport has one; still available after the
    /// connection has ended. On a server, this is the client's address as reported by [trusted
    /// proxies](crate::upgrade::Options::trusted_proxies).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the head of the request that became this connection, on a server that
    /// [keeps](crate::upgrade::Options::keep_request) it.
    pub fn request(&self) -> Option<&UpgradeRequest> {
        self.data()
    }

    /// Sets a peer address that does not come from the transport.
    pub(crate) fn with_peer(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("driver", &self.driver)
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}
