use std::any::Any;
use std::cell::OnceCell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_proto::handshake::{HeadLimits, RequestHead};
use sockeye_proto::{
    CloseCode, CloseFrame, Connection as Protocol, Message, MessageRef, Prepared, Role, Rtt, State,
    Utf8Bytes,
};

use super::backlog::Backlog;
use super::command_queue::Workers;
use super::writer::Writer;
use super::{Broadcaster, ConnectionId, Handle, HandleError};
use crate::close_payload::ClosePayload;
use crate::metrics::{ConnectionMetrics, Counts};
use crate::{Error, Result};

/// A connection, as passed to callbacks. Messages are corked until the callbacks for the current
/// input are done, and then written together.
pub struct Connection {
    pub(super) protocol: Protocol,
    /// Present while input is handled or output is unwritten.
    pub(super) writer: Option<Box<Writer>>,
    /// Size of the output that was taken from the writer and that the operating system has not
    /// accepted yet, in bytes.
    in_flight: u32,
    /// Actions that callbacks requested from the worker.
    pub(super) actions: PendingActions,
    /// Metrics of the connection. They count the connection as open while they exist.
    pub(super) metrics: ConnectionMetrics,
    id: ConnectionId,
    peer: SocketAddr,
    workers: Arc<Workers>,
    data: Option<Box<dyn Any>>,
    head: Option<Box<[u8]>>,
    extras: Option<Box<Extras>>,
    handle: HandleSlot,
}

/// The fields that few connections need, allocated separately so that an idle connection is small.
#[derive(Default)]
struct Extras {
    subprotocol: Option<Box<str>>,
    /// Time to call [`Handler::tick`](super::Handler::tick).
    tick: Option<Instant>,
    /// Error that the connection ended with.
    end: Option<Arc<Error>>,
    /// Input that waits until the replies to earlier input are written.
    backlog: Option<Backlog>,
}

/// The handle of a connection, created when first requested and notified when the connection is
/// over.
#[derive(Default)]
struct HandleSlot(OnceCell<Handle>);

impl Drop for HandleSlot {
    fn drop(&mut self) {
        if let Some(handle) = self.0.get() {
            handle.on_closed();
        }
    }
}

/// Actions that callbacks requested from the worker. Usually there are none, which takes one
/// comparison to check.
#[derive(Clone, Copy, Default)]
pub(super) struct PendingActions(u8);

impl PendingActions {
    const ABORT: u8 = 1;
    const TICK: u8 = 2;

    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether the connection is to be dropped without a closing handshake, so that nothing
    /// more may be sent.
    #[inline]
    pub(super) const fn is_abort(self) -> bool {
        self.0 & Self::ABORT != 0
    }

    pub(super) const fn abort(&mut self) {
        self.0 |= Self::ABORT;
    }

    /// Returns whether the time of the tick was changed, and clears the action.
    pub(super) const fn take_tick_change(&mut self) -> bool {
        let changed = self.0 & Self::TICK != 0;
        self.0 &= !Self::TICK;
        changed
    }
}

/// The outcome of a message that was passed to [`Connection::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The message is queued, and will be written in order.
    Taken,
    /// The message was dropped, as there is no capacity for it at present: unwritten output has
    /// reached [`Server::max_unwritten`](super::Server::max_unwritten). Either the peer does not
    /// read, or one callback alone has sent that much.
    Full,
    /// The message was dropped: the closing handshake has begun, or the connection is over.
    Closed,
}

impl Connection {
    pub(super) fn new(
        protocol: Protocol,
        id: ConnectionId,
        peer: SocketAddr,
        workers: Arc<Workers>,
    ) -> Self {
        Self {
            protocol,
            writer: None,
            in_flight: 0,
            actions: PendingActions::default(),
            metrics: ConnectionMetrics::begin(Role::Server),
            id,
            peer,
            workers,
            data: None,
            head: None,
            extras: None,
            handle: HandleSlot::default(),
        }
    }

    /// Sets the negotiated subprotocol, the head of the request, and the data that the handler
    /// attached.
    pub(super) fn set_request(
        &mut self,
        subprotocol: Option<String>,
        head: Option<Box<[u8]>>,
        data: Option<Box<dyn Any>>,
    ) {
        if let Some(subprotocol) = subprotocol {
            self.extras().subprotocol = Some(subprotocol.into());
        }
        self.head = head;
        self.data = data;
    }

    /// Returns the id, which differs from those of all other connections of the server.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Returns the peer's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the round-trip time, once a keepalive ping was answered. Keepalive pings are sent
    /// when the peer was silent for [`Config::ping_after`](crate::Config::ping_after()).
    pub fn rtt(&self) -> Option<Rtt> {
        self.protocol.rtt()
    }

    /// Sets the size of the output that was taken from the writer and that the operating system has
    /// not accepted yet, in bytes.
    pub(super) fn set_in_flight(&mut self, length: usize) {
        // Saturates at 4 GiB.
        self.in_flight = u32::try_from(length).unwrap_or(u32::MAX);
    }

    /// Returns whether unwritten output has reached its limit.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.unwritten() >= self.workers.max_unwritten
    }

    /// Records that commands of handles to send prepared messages of `size` bytes were executed.
    #[inline]
    pub(super) fn on_prepared_executed(&self, size: usize) {
        if let Some(handle) = self.handle.0.get() {
            handle.capacity().on_executed(size);
        }
    }

    /// Records that all output was written.
    #[inline]
    pub(super) fn on_all_written(&self) {
        if let Some(handle) = self.handle.0.get() {
            handle.capacity().on_all_written();
        }
    }

    /// Returns whether the operating system has yet to accept output that was taken from the
    /// writer.
    pub(super) const fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Returns the negotiated subprotocol.
    pub fn subprotocol(&self) -> Option<&str> {
        self.extras.as_ref()?.subprotocol.as_deref()
    }

    /// Returns the head of the connection's request: the target and the headers, without those that
    /// carry no information after the handshake (`Connection`, `Upgrade`, `Sec-WebSocket-Key` and
    /// `Sec-WebSocket-Version`). `None` when the server [does not keep
    /// it](super::Server::keep_requests).
    pub fn request(&self) -> Option<RequestHead<'_>> {
        let head = self.head.as_deref()?;
        // The handshake parsed this head, so parsing succeeds again: a head never exceeds limits
        // equal to its own length.
        RequestHead::parse(head, HeadLimits::new().size(head.len()).headers(head.len())).ok()
    }

    /// Returns the data of the connection, if it is a `T`.
    pub fn data<T: 'static>(&mut self) -> Option<&mut T> {
        self.data.as_mut()?.downcast_mut()
    }

    /// Sets the data of the connection, and drops the previous data. The data is dropped after
    /// [`Handler::close`](super::Handler::close).
    pub fn set_data<T: 'static>(&mut self, data: T) {
        self.data = Some(Box::new(data));
    }

    /// Sends a message. Copies the payload, unless it is 4 KiB or longer and part of the message
    /// that is being handled: then the payload is written from that message's buffer.
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> SendOutcome {
        let message = message.into();
        self.send_with(message, |writer| writer.push(message.as_bytes()))
    }

    /// Sends a message that shares its payload: a payload of 4 KiB or more is not copied.
    pub fn send_shared(&mut self, message: impl Into<Message>) -> SendOutcome {
        self.send_message(&message.into())
    }

    /// Sends a prepared message without encoding or compressing it again. A frame of 4 KiB or more
    /// is not copied.
    #[inline]
    pub fn send_prepared(&mut self, prepared: &Prepared) -> SendOutcome {
        let (protocol, writer) = match self.begin_send() {
            Ok(reserved) => reserved,
            Err(sent) => return sent,
        };
        let before = writer.output.len();
        match protocol.send_prepared(prepared, writer.output.buffer()) {
            Ok(Some(rest)) => writer.output.push_shared(rest),
            Ok(None) => {}
            Err(_) => return SendOutcome::Closed,
        }
        let wire = writer.output.len() - before;
        writer.counts.count_sent(prepared.message().kind(), prepared.len(), wire);
        SendOutcome::Taken
    }

    #[inline]
    pub(super) fn send_message(&mut self, message: &Message) -> SendOutcome {
        let payload = || message.clone().into_bytes();
        self.send_with(message.as_ref(), |writer| writer.output.push_shared(payload()))
    }

    /// Sends encoded frames that hold the messages counted in `counts`; drops them if unwritten
    /// output has reached its limit. Returns `false`, and sends nothing, if this connection cannot
    /// send the frames unchanged.
    #[inline]
    pub(super) fn send_encoded(&mut self, frames: &[u8], counts: &Counts) -> bool {
        let possible = self.protocol.sends_plain() && !self.actions.is_abort();
        if possible {
            let is_full = self.is_full();
            let writer = self.writer.get_or_insert_default();
            if is_full {
                writer.counts.count_all_dropped(counts);
            } else {
                writer.output.buffer().extend_from_slice(frames);
                writer.counts.add(counts);
            }
        }
        possible
    }

    #[inline]
    fn send_with(
        &mut self,
        message: MessageRef<'_>,
        payload: impl FnOnce(&mut Writer),
    ) -> SendOutcome {
        let (protocol, writer) = match self.begin_send() {
            Ok(reserved) => reserved,
            Err(sent) => return sent,
        };
        let before = writer.output.len();
        match protocol.send_in_place(message, writer.output.buffer()) {
            Ok(true) => payload(writer),
            Ok(false) => {}
            Err(_) => return SendOutcome::Closed,
        }
        let wire = writer.output.len() - before;
        writer.counts.count_sent(message.kind(), message.as_bytes().len(), wire);
        SendOutcome::Taken
    }

    /// Returns the encoder and the writer for a message, or the outcome if the message cannot be
    /// sent.
    #[inline]
    fn begin_send(&mut self) -> Result<(&mut Protocol, &mut Writer), SendOutcome> {
        if self.actions.is_abort() {
            return Err(SendOutcome::Closed);
        }
        let is_full = self.is_full();
        let writer = self.writer.get_or_insert_default();
        if is_full {
            if self.protocol.state() != State::Open {
                return Err(SendOutcome::Closed);
            }
            writer.counts.count_dropped();
            return Err(SendOutcome::Full);
        }
        Ok((&mut self.protocol, writer))
    }

    /// Sends a ping with at most 125 bytes of payload. Its pong is passed to
    /// [`Handler::pong`](super::Handler::pong).
    ///
    /// # Errors
    /// [`Error::Usage`] for a longer payload. [`Error::Closed`], with the peer's close frame if
    /// there was one, once the closing handshake has begun or the connection is over. If an error
    /// ended the connection, that error.
    pub fn ping(&mut self, payload: &[u8]) -> Result<()> {
        self.check_not_ended()?;
        let writer = self.writer.get_or_insert_default();
        Ok(self.protocol.ping(payload, writer.output.buffer())?)
    }

    /// Begins the closing handshake, after the output that was sent before. Messages may still
    /// arrive until the peer has answered, for at most
    /// [`Config::close_timeout`](crate::Config::close_timeout()) from when the close frame is
    /// written. A peer that does not read never gets that frame: use [`abort`](Self::abort)
    /// instead. [`CloseCode::NO_STATUS_RCVD`] (1005) with an empty reason sends an empty close
    /// frame, as 1005 stands for a missing code (RFC 6455 section 7.1.5).
    ///
    /// # Errors
    /// [`Error::Usage`] for a code that must not be sent or a reason of more than 123 bytes; the
    /// connection then stays open. [`Error::Closed`] when the closing handshake has already begun,
    /// or the connection is over, as in [`Handler::close`](super::Handler::close). If an error
    /// ended the connection, that error, as in [`Handler::error`](super::Handler::error).
    pub fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        self.begin_close(ClosePayload::new(code, reason)?.frame())
    }

    pub(super) fn begin_close(&mut self, frame: Option<&CloseFrame>) -> Result<()> {
        self.check_not_ended()?;
        let writer = self.writer.get_or_insert_default();
        self.protocol.close(frame, writer.output.buffer())?;
        self.metrics.on_close_sent(frame.map(|frame| frame.code));
        Ok(())
    }

    /// Drops the connection without a closing handshake, and discards unwritten output; the peer
    /// sees 1006.
    pub fn abort(&mut self) {
        self.actions.abort();
    }

    /// Calls [`Handler::tick`](super::Handler::tick) once after the given time. Replaces a pending
    /// tick. For periodic ticks, `tick` calls this method again.
    ///
    /// A tick runs when the worker has no more urgent input to handle, with a precision of a
    /// millisecond at best, and at most once per iteration of the worker's event loop. A tick that
    /// is pending when the connection ends is dropped.
    pub fn tick_after(&mut self, after: Duration) {
        self.set_tick(Instant::now().checked_add(after));
    }

    /// Cancels the tick that [`tick_after`](Self::tick_after) requested.
    pub fn cancel_tick(&mut self) {
        if self.tick().is_some() {
            self.set_tick(None);
        }
    }

    fn set_tick(&mut self, tick: Option<Instant>) {
        self.extras().tick = tick;
        self.actions.0 |= PendingActions::TICK;
    }

    /// Returns the time at which a tick is due.
    pub(super) fn tick(&self) -> Option<Instant> {
        self.extras.as_ref()?.tick
    }

    /// Clears a tick that is due, and returns whether there was one.
    pub(super) fn take_due_tick(&mut self, now: Instant) -> bool {
        let due = self.tick().is_some_and(|tick| tick <= now);
        if due {
            self.extras().tick = None;
        }
        due
    }

    #[inline]
    pub(super) fn backlog(&self) -> Option<&Backlog> {
        self.extras.as_ref()?.backlog.as_ref()
    }

    pub(super) fn backlog_mut(&mut self) -> &mut Option<Backlog> {
        &mut self.extras().backlog
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    fn check_not_ended(&self) -> Result<()> {
        if !self.actions.is_abort() {
            return Ok(());
        }
        let end = self.extras.as_ref().and_then(|extras| extras.end.as_ref());
        Err(end.map_or(Error::Closed(None), |end| end.of_later_call()))
    }

    /// Ends the connection: nothing more is sent, even if the protocol would allow it. Later
    /// attempts to send fail with an error derived from `end`.
    pub(super) fn end(&mut self, end: Error) {
        self.actions.abort();
        let end = Arc::new(end);
        if let Some(handle) = self.handle.0.get() {
            handle.on_end(end.clone());
        }
        self.extras().end = Some(end);
    }

    /// Returns the size of the unwritten output, in bytes. Unless the peer reads more slowly than
    /// the server writes, that is the output of the callbacks for the current input.
    pub fn unwritten(&self) -> usize {
        self.in_flight as usize + self.writer.as_ref().map_or(0, |writer| writer.output.len())
    }

    /// Returns whether messages can be sent: the closing handshake has not begun.
    pub fn is_open(&self) -> bool {
        self.protocol.state() == State::Open && !self.actions.is_abort()
    }

    /// Returns a handle to this connection, for any thread at any time.
    pub fn handle(&self) -> Handle {
        let new = || {
            let handle = Handle::new(self.id, self.workers.clone());
            if let Some(end) = self.extras.as_ref().and_then(|extras| extras.end.as_ref()) {
                handle.on_end(end.clone());
            }
            handle
        };
        self.handle.0.get_or_init(new).clone()
    }

    /// Sends a message to all open connections of the server, including this one. Each worker
    /// writes it to its connections soon after the current callbacks are done. The message is sent
    /// as [`Prepared`]: compressed once, independently of earlier messages.
    ///
    /// # Errors
    /// Same as [`Broadcaster::broadcast`].
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// Sends a prepared message to all open connections, like [`broadcast`](Self::broadcast).
    ///
    /// # Errors
    /// Same as [`Broadcaster::broadcast`].
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.workers.broadcast(prepared)
    }

    /// Returns a [`Broadcaster`] to all connections of the server, for any thread.
    pub fn broadcaster(&self) -> Broadcaster {
        Broadcaster::new(self.workers.clone())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("state", &self.protocol.state())
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}
