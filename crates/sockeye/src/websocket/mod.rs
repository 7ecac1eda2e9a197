//! An open WebSocket connection.

mod close_when;
mod closing;
mod data;
mod deferred;
mod frames;
mod halves;
mod linger;
mod message_stream;
mod output;
mod payload;
mod prepared;
mod progress_timeout;
mod read;
pub mod split;
mod stream_sink;
#[cfg(test)]
mod tests;
mod timer;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::Extensions;
use sockeye_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, MemoryBudget, Message, Rtt, State, TimedOut,
    UsageError, Utf8Bytes,
};
use tokio::time::Instant;

use crate::drain::{DrainStage, Member};
use crate::error::{Error, Result};
use crate::metrics::RoleMetrics;
use crate::transport::Transport;
use crate::upgrade::UpgradeRequest;
use close_when::CloseSignal;
pub(crate) use closing::ClosePayload;
use closing::Ending;
pub(crate) use deferred::Shared;
pub use frames::{FrameReceiver, FrameSender};
pub(crate) use halves::Half;
use halves::HalfWakers;
use linger::WhenDropped;
use message_stream::Incoming;
pub use message_stream::{MessageReader, MessageWriter};
use output::Output;
pub(crate) use payload::Payload;
use progress_timeout::Elapsed;
pub(crate) use progress_timeout::ProgressTimeout;
use split::WriterFailed;
use timer::Timer;

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
    transport: Transport,
    connection: Connection,
    /// Bytes read but not decoded yet, in a buffer shared with the thread's other connections.
    input: BytesMut,
    output: Output,
    /// `true` if output was left to the handler's task and has not been taken back since.
    output_deferred: bool,
    when_dropped: WhenDropped,
    timer: Timer,
    /// Timeout of a transport that takes no output.
    write_timeout: ProgressTimeout,
    /// Timeout of a message that does not complete.
    read_timeout: ProgressTimeout,
    ending: Ending,
    close_signal: Option<CloseSignal>,
    /// Membership in the drain of the server.
    member: Option<Arc<Member>>,
    /// Wakers of the two halves; boxed, since most connections are never polled by halves.
    halves: Option<Box<HalfWakers>>,
    incoming: Incoming,
    /// Boxed, since most connections negotiate nothing.
    negotiated: Option<Box<Negotiated>>,
    /// Stored, since a socket no longer reports the address once the connection is lost.
    peer: Option<SocketAddr>,
    /// The peer's close frame; boxed, since a connection has none for most of its lifetime.
    close_frame: Option<Box<CloseFrame>>,
    /// Application data attached to the connection.
    data: Extensions,
    /// Memory budget shared with the other connections of the server.
    budget: Option<MemoryBudget>,
}

/// The results of the opening handshake, beyond the connection itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiated {
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
        negotiated: Negotiated,
    ) -> Self {
        let ending = Ending::new(connection.role());
        ending.metrics.role_metrics().count_wire_received(input.len());
        Self::with_ending(transport, connection, input, negotiated, ending)
    }

    fn with_ending(
        transport: Transport,
        connection: Connection,
        input: BytesMut,
        negotiated: Negotiated,
        ending: Ending,
    ) -> Self {
        let agreed = negotiated.subprotocol.is_some() || negotiated.extensions.is_some();
        let peer = transport.peer_addr();
        Self {
            transport,
            connection,
            input,
            output: Output::default(),
            output_deferred: false,
            when_dropped: WhenDropped::default(),
            timer: Timer::default(),
            write_timeout: ProgressTimeout::default(),
            read_timeout: ProgressTimeout::default(),
            ending,
            close_signal: None,
            member: None,
            halves: None,
            incoming: Incoming::default(),
            negotiated: agreed.then(|| Box::new(negotiated)),
            peer,
            close_frame: None,
            data: Extensions::new(),
            budget: None,
        }
    }

    /// Sets the timeouts that the driver enforces on the transport.
    pub(crate) fn with_deadlines(mut self, config: &Config) -> Self {
        self.write_timeout = ProgressTimeout::new(config.write_timeout);
        self.read_timeout = ProgressTimeout::new(config.read_timeout);
        self
    }

    /// Ends the local half of the transport as soon as both close frames have passed, even on a
    /// client.
    #[cfg(feature = "http2")]
    pub(crate) fn ending_first(mut self) -> Self {
        self.ending.end_first();
        self
    }

    /// Charges the memory of unfinished messages to a budget.
    pub(crate) fn with_budget(mut self, budget: &MemoryBudget) -> Self {
        self.budget = Some(budget.clone());
        self
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
        poll_fn(|cx| self.poll_recv(cx)).await
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
        poll_fn(|cx| self.poll_sent(cx)).await
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
        poll_fn(|cx| self.poll_room_for(cx, message.len())).await?;
        self.push(message)
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
        poll_fn(|cx| self.poll_flush_sent(cx)).await
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
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.connection.ping(payload, self.output.buffer())?;
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
        poll_fn(|cx| self.poll_close_with(cx, payload.frame())).await
    }

    /// Returns the peer's close frame; `None` before it arrived, or when it was empty.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
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
        self.connection.rtt()
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

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        if !self.incoming.is_idle() {
            ready!(self.poll_skip(cx));
        }
        while !self.ending.has_begun() {
            if self.input.is_empty() {
                match ready!(self.poll_input(cx)) {
                    Ok(Some(message)) => return Poll::Ready(Ok(Some(self.received(message)))),
                    Ok(None) => {}
                    Err(error) => self.ending.fail(error),
                }
                continue;
            }
            match self.connection.receive_bytes(&mut self.input, self.output.buffer()) {
                Ok(Some(Event::Message(message))) => {
                    let message = message.into_owned();
                    return Poll::Ready(Ok(Some(self.received(message))));
                }
                Ok(Some(event)) => self.note(event),
                Ok(None) => {}
                Err(error) => self.ending.fail(error.into()),
            }
        }
        self.poll_end(cx).map_ok(|()| None)
    }

    /// Records a message that is about to be returned to the program.
    #[inline]
    fn received(&mut self, message: Message) -> Message {
        self.read_timeout.reset();
        self.role_metrics().count_received(message.kind(), message.len());
        message
    }

    /// Waits for more input. A large message is read straight into its own buffer, and the read may
    /// complete it.
    ///
    /// The output is written as far as possible before the read; the deadlines are watched while
    /// waiting.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "each wake-up comes here twice: two calls cost some 60 instructions of 2,100"
    )]
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        if self.is_to_close() {
            self.poll_close_signal(cx)?;
        }
        self.charge(cx)?;
        // Before every read, not only before a wait: a peer that never lets us wait gets its pongs
        // as well. If the write fails, input that the peer sent before it left is worth reading
        // first.
        let flushed = self.poll_flush_output(cx);
        if let Some(mut space) = self.connection.payload_space() {
            match read::poll_read_into(&mut self.transport, cx, &mut space) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Error::Disconnected)),
                Poll::Ready(Ok(length)) => {
                    self.ending.metrics.role_metrics().count_wire_received(length);
                    let event = self.connection.payload_read(length, self.output.buffer())?;
                    return Poll::Ready(Ok(match event {
                        Some(Event::Message(message)) => Some(message.into_owned()),
                        _ => None,
                    }));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(error))),
                Poll::Pending => {}
            }
        } else {
            match read::poll_read(&mut self.transport, cx) {
                Poll::Ready(Ok(input)) if input.is_empty() => {
                    return Poll::Ready(Err(Error::Disconnected));
                }
                Poll::Ready(Ok(input)) => {
                    self.role_metrics().count_wire_received(input.len());
                    self.input = input;
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(error))),
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(Err(error)) = flushed {
            return Poll::Ready(Err(error));
        }
        if !self.connection.is_mid_message() {
            self.read_timeout.reset();
        } else if self.read_timeout.poll(cx).is_ready() {
            return Poll::Ready(Err(TimedOut::Reading.into()));
        }
        loop {
            if let Err(late) = ready!(self.poll_timer(cx)) {
                // Writes the close frame for the timeout as far as that goes at once: the peer may
                // be gone.
                let _ = self.output.poll_flush(cx, &mut self.transport);
                return Poll::Ready(Err(late.into()));
            }
            self.charge(cx)?;
            if let Poll::Ready(Err(error)) = self.poll_flush_output(cx) {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Handles an event other than a message. Its answer is in the output already.
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Close { frame, mid_message } => {
                self.close_frame = frame.clone().map(Box::new);
                if mid_message {
                    self.ending.fail(Error::ClosedMidMessage(frame));
                } else if self.connection.state() == State::PeerClosed {
                    self.ending.metrics.on_unanswered_close_received(frame.as_ref());
                } else {
                    self.ending.begin(frame.as_ref());
                }
            }
            Event::Pong(payload) => {
                self.transport.handle_pong(&payload);
                let answered = self.connection.handle_pong(&payload, Instant::now().into_std());
                if let (true, Some(rtt)) = (answered, self.rtt()) {
                    self.role_metrics().record_rtt(rtt.last());
                }
            }
            _ => {}
        }
    }

    /// Waits until another message may be added to the output.
    #[inline]
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ending.has_begun() {
            return Poll::Ready(Err(self.too_late()));
        }
        if self.member.as_ref().is_some_and(|member| member.stage() >= DrainStage::Notified) {
            ready!(self.poll_drain_notice(cx))?;
        }
        if self.output.has_room() { Poll::Ready(Ok(())) } else { self.poll_flush_output(cx) }
    }

    /// Waits like [`WebSocket::poll_room`], for a message of `length` bytes that the caller holds
    /// meanwhile.
    #[inline]
    fn poll_room_for(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<Result<()>> {
        let room = self.poll_room(cx);
        if room.is_pending() { self.poll_blocked(cx, length) } else { room }
    }

    /// Returns the error for a message on a connection that is over: the error that ended the
    /// connection, or [`Error::Closed`].
    #[cold]
    fn too_late(&self) -> Error {
        let closed = || Error::Closed(self.close_frame().cloned());
        self.ending.failure().unwrap_or_else(closed)
    }

    fn push(&mut self, message: Message) -> Result<()> {
        let (kind, length, before) = (message.kind(), message.len(), self.output.len());
        if self.connection.send_in_place(message.as_ref(), self.output.buffer())? {
            self.output.push_shared(message.into_bytes());
        }
        self.role_metrics().count_sent(kind, length, self.output.len() - before);
        Ok(())
    }

    /// Puts a close frame into the output, and limits how long the transport may take nothing of
    /// it.
    fn begin_close(&mut self, frame: Option<&CloseFrame>) -> Result<(), UsageError> {
        self.push_close(frame)?;
        self.write_timeout.limit(self.connection.close_timeout());
        Ok(())
    }

    fn push_close(&mut self, frame: Option<&CloseFrame>) -> Result<(), UsageError> {
        self.connection.close(frame, self.output.buffer())?;
        self.ending.metrics.on_close_sent(frame.map(|frame| frame.code));
        Ok(())
    }

    /// Returns the metrics that the connection updates.
    #[inline]
    fn role_metrics(&self) -> RoleMetrics {
        self.ending.metrics.role_metrics()
    }

    /// Writes the queued messages, at once or in the handler's task.
    #[inline]
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.defer_output() { Poll::Ready(Ok(())) } else { self.poll_flush_output(cx) }
    }

    /// Writes the queued messages, unless they were lost with the connection.
    fn poll_flush_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.ending.failure() {
            Some(error) => Poll::Ready(Err(error)),
            None => self.poll_flush_output(cx),
        }
    }

    /// Writes all output, including a pong that waited for send capacity.
    #[inline]
    pub(crate) fn poll_flush_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.output_deferred {
            self.take_output_back()?;
        }
        loop {
            let before = self.output.len();
            let flushed = self.output.poll_flush(cx, &mut self.transport);
            let moved = || self.output.len() < before;
            match self.write_timeout.poll_progress(cx, flushed, moved) {
                Poll::Ready(Ok(flushed)) => flushed?,
                Poll::Ready(Err(Elapsed)) => {
                    self.give_up(TimedOut::Writing.into());
                    return Poll::Ready(Err(TimedOut::Writing.into()));
                }
                Poll::Pending => return self.poll_blocked(cx, 0),
            }
            self.connection.poll_pending_pong(self.output.buffer());
            if self.output.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Charges the memory of an unfinished message to the budget.
    #[inline]
    fn charge(&mut self, cx: &Context<'_>) -> Result<()> {
        if let (true, Some(budget)) = (self.connection.is_mid_message(), &self.budget) {
            self.connection.charge(budget, self.output.buffer())?;
            if let Some(charge) = self.connection.message_charge() {
                charge.wake_by(cx.waker());
            }
        }
        Ok(())
    }

    /// Handles a transport that takes nothing: charges the memory held meanwhile to the budget,
    /// including `fed` bytes of a message that waits for send capacity. Ready with an error when
    /// the budget gives this connection up; no close frame would reach the peer.
    #[cold]
    fn poll_blocked(&mut self, cx: &Context<'_>, fed: usize) -> Poll<Result<()>> {
        let Some(budget) = &self.budget else { return Poll::Pending };
        let held = self.output.len() + self.input.len() + fed + self.transport.held_when_full();
        match self.write_timeout.charge(cx, budget, held) {
            Ok(()) => Poll::Pending,
            Err(error) => {
                self.give_up(error.into());
                Poll::Ready(Err(error.into()))
            }
        }
    }

    /// Handles the next deadline once it has passed.
    pub(crate) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TimedOut>> {
        self.timer.poll(cx, &mut self.connection, &self.transport, &mut self.output)
    }

    /// Ends a connection whose transport takes nothing; no further write is awaited.
    #[cold]
    fn give_up(&mut self, error: Error) {
        if !self.ending.has_begun() {
            self.ending.give_up(error);
        }
    }

    fn poll_close_with(
        &mut self,
        cx: &mut Context<'_>,
        frame: Option<&CloseFrame>,
    ) -> Poll<Result<()>> {
        if self.connection.state() == State::Open && !self.ending.has_begun() {
            // Without waiting for send capacity: the close frame is bounded, and so is the wait
            // that it begins.
            self.begin_close(frame)?;
        }
        while ready!(self.poll_recv(cx))?.is_some() {}
        Poll::Ready(Ok(()))
    }
}

/// Converts the error of a failed read. TLS reports an end without its closing alert as an error,
/// which is the same as a bare end of the transport.
fn lost(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::Disconnected;
    }
    match error.downcast() {
        Ok(WriterFailed(reason)) => reason,
        Err(error) => error.into(),
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("transport", &self.transport)
            .field("state", &self.connection.state())
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}
