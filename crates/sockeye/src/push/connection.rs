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

use super::command_queue::Workers;
use super::writer::Writer;
use super::{Broadcaster, ConnectionId, Handle, HandleError};
use crate::metrics::{ConnectionMetrics, Counts};
use crate::websocket::ClosePayload;
use crate::{Error, Result};

/// A connection, as a callback is given it. What is sent is corked until the callbacks for the input at hand are done, then
/// written at once.
pub struct Connection {
    pub(super) protocol: Protocol,
    /// There while input is handled or something is unwritten.
    pub(super) writer: Option<Box<Writer>>,
    /// How much was taken from the writer, but not by the system yet, in bytes.
    in_flight: u32,
    /// What callbacks asked for.
    pub(super) requests: Requests,
    /// Among the connections that are open.
    pub(super) metrics: ConnectionMetrics,
    id: ConnectionId,
    peer: SocketAddr,
    workers: Arc<Workers>,
    data: Option<Box<dyn Any>>,
    head: Option<Box<[u8]>>,
    extras: Option<Box<Extras>>,
    handle: OwnHandle,
}

/// What few connections have, apart so that an idle one is small.
#[derive(Default)]
struct Extras {
    subprotocol: Option<Box<str>>,
    /// When to call [`Handler::tick`](super::Handler::tick).
    tick: Option<Instant>,
    /// What the connection ended with.
    end: Option<Arc<Error>>,
}

/// The handle of a connection, once it was asked for: it learns when the connection is over.
#[derive(Default)]
struct OwnHandle(OnceCell<Handle>);

impl Drop for OwnHandle {
    fn drop(&mut self) {
        if let Some(handle) = self.0.get() {
            handle.on_closed();
        }
    }
}

/// What callbacks asked the worker for: nothing, mostly, which is one comparison.
#[derive(Clone, Copy, Default)]
pub(super) struct Requests(u8);

impl Requests {
    const ABORT: u8 = 1;
    const TICK: u8 = 2;
    const FULL: u8 = 4;

    #[inline]
    pub(super) const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether the connection is to be dropped as it is, so that nothing more may be sent.
    #[inline]
    pub(super) const fn is_abort(self) -> bool {
        self.0 & Self::ABORT != 0
    }

    pub(super) const fn abort(&mut self) {
        self.0 |= Self::ABORT;
    }

    /// Whether as much is unwritten as may be, so that no more input should be handled before some of it is written.
    #[inline]
    pub(super) const fn is_full(self) -> bool {
        self.0 & Self::FULL != 0
    }

    /// The transport is offered what is unwritten.
    pub(super) const fn clear_full(&mut self) {
        self.0 &= !Self::FULL;
    }

    /// Takes note that there is a new time for a tick, if there is one.
    pub(super) const fn take_tick(&mut self) -> bool {
        let asked = self.0 & Self::TICK != 0;
        self.0 &= !Self::TICK;
        asked
    }
}

/// What became of a message that was given to [`Connection::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// It will be written, in order.
    Taken,
    /// It was dropped: as much as [`Server::max_unwritten`](super::Server::max_unwritten) allows waits for the peer already.
    /// Either the peer does not read, or one callback has sent that much by itself.
    Full,
    /// It was dropped: the closing handshake has begun, or the connection is over.
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
            requests: Requests::default(),
            metrics: ConnectionMetrics::begin(Role::Server),
            id,
            peer,
            workers,
            data: None,
            head: None,
            extras: None,
            handle: OwnHandle::default(),
        }
    }

    /// What was agreed on, what was asked, and what the handler made of it.
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

    /// What tells this connection from the others of its server.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The round-trip time, once a keepalive ping was answered: those are sent when the peer was silent for
    /// [`Config::ping_after`](crate::Config::ping_after()).
    pub fn rtt(&self) -> Option<Rtt> {
        self.protocol.rtt()
    }

    /// So much output, in bytes, is no longer with the writer and not yet with the system.
    pub(super) fn set_in_flight(&mut self, length: usize) {
        // More than 4 GiB counts as that.
        self.in_flight = u32::try_from(length).unwrap_or(u32::MAX);
    }

    /// Whether as much is unwritten as may be.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.unwritten() >= self.workers.max_unwritten
    }

    /// Whether output is no longer with the writer and not yet with the system.
    pub(super) const fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.extras.as_ref()?.subprotocol.as_deref()
    }

    /// The head of the request that the connection began with: its target and its headers, without those that say nothing
    /// more once the handshake is done (`Connection`, `Upgrade`, and the key and version of the WebSocket). `None` when the server was
    /// told [not to keep it](super::Server::keep_requests).
    pub fn request(&self) -> Option<RequestHead<'_>> {
        let head = self.head.as_deref()?;
        // It was parsed before, under limits that it met.
        RequestHead::parse(head, HeadLimits::new().size(head.len()).headers(head.len())).ok()
    }

    /// What the program keeps with the connection, if it is a `T`.
    pub fn data<T: 'static>(&mut self) -> Option<&mut T> {
        self.data.as_mut()?.downcast_mut()
    }

    /// Keeps a value with the connection, in place of what was kept before. It is dropped after
    /// [`Handler::close`](super::Handler::close).
    pub fn set_data<T: 'static>(&mut self, data: T) {
        self.data = Some(Box::new(data));
    }

    /// Sends a message. The payload is copied, unless it is 4 KiB or longer and lies in the message that is being handled:
    /// then it is written from where it is.
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Sent {
        let message = message.into();
        self.put(message, |writer| writer.push(message.as_bytes()))
    }

    /// Sends a message that shares its payload: one of 4 KiB or more is not copied.
    pub fn send_shared(&mut self, message: impl Into<Message>) -> Sent {
        self.send_message(&message.into())
    }

    /// Sends a prepared message: nothing is encoded or compressed that was so before, and a frame of 4 KiB or more is not
    /// copied.
    #[inline]
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Sent {
        let (protocol, writer) = match self.room() {
            Ok(room) => room,
            Err(sent) => return sent,
        };
        let before = writer.output.len();
        match protocol.send_prepared(prepared, writer.output.buffer()) {
            Ok(Some(rest)) => writer.output.push_shared(rest),
            Ok(None) => {}
            Err(_) => return Sent::Closed,
        }
        let unwritten = writer.output.len();
        writer.counts.count_sent(prepared.message().kind(), prepared.len(), unwritten - before);
        self.note_unwritten(unwritten);
        Sent::Taken
    }

    #[inline]
    pub(super) fn send_message(&mut self, message: &Message) -> Sent {
        let payload = || message.clone().into_bytes();
        self.put(message.as_ref(), |writer| writer.output.push_shared(payload()))
    }

    /// Sends frames that were encoded before, of the messages in `counts`. Says whether that can be done here.
    #[inline]
    pub(super) fn send_encoded(&mut self, frames: &[u8], counts: &Counts) -> bool {
        let possible = self.protocol.sends_plain() && !self.requests.is_abort();
        if possible {
            let writer = self.writer.get_or_insert_default();
            if self.in_flight as usize + writer.output.len() < self.workers.max_unwritten {
                writer.output.buffer().extend_from_slice(frames);
                writer.counts.add(counts);
            } else {
                writer.counts.count_all_dropped(counts);
            }
        }
        possible
    }

    #[inline]
    fn put(&mut self, message: MessageRef<'_>, payload: impl FnOnce(&mut Writer)) -> Sent {
        let (protocol, writer) = match self.room() {
            Ok(room) => room,
            Err(sent) => return sent,
        };
        let before = writer.output.len();
        match protocol.send_in_place(message, writer.output.buffer()) {
            Ok(true) => payload(writer),
            Ok(false) => {}
            Err(_) => return Sent::Closed,
        }
        let unwritten = writer.output.len();
        writer.counts.count_sent(message.kind(), message.as_bytes().len(), unwritten - before);
        self.note_unwritten(unwritten);
        Sent::Taken
    }

    /// So much output, in bytes, is with the writer now.
    #[inline]
    fn note_unwritten(&mut self, with_writer: usize) {
        if self.in_flight as usize + with_writer >= self.workers.max_unwritten {
            self.requests.0 |= Requests::FULL;
        }
    }

    /// Who encodes a message and who takes it, or what becomes of it if nobody does.
    #[inline]
    fn room(&mut self) -> Result<(&mut Protocol, &mut Writer), Sent> {
        if self.requests.is_abort() {
            return Err(Sent::Closed);
        }
        let writer = self.writer.get_or_insert_default();
        if self.in_flight as usize + writer.output.len() >= self.workers.max_unwritten {
            writer.counts.count_dropped();
            return Err(Sent::Full);
        }
        Ok((&mut self.protocol, writer))
    }

    /// Sends a ping with at most 125 bytes of payload. Its pong comes to [`Handler::pong`](super::Handler::pong).
    ///
    /// # Errors
    /// [`Error::Usage`] for a longer payload, [`Error::Closed`] once the closing handshake has begun or the connection is over:
    /// with what the peer's close frame said, if there was one. After an error ended the connection, that error.
    pub fn ping(&mut self, payload: &[u8]) -> Result<()> {
        self.check_sending()?;
        let writer = self.writer.get_or_insert_default();
        Ok(self.protocol.ping(payload, writer.output.buffer())?)
    }

    /// Begins the closing handshake. Messages go on to arrive until the peer has answered, at most for
    /// [`Config::close_timeout`](crate::Config::close_timeout()). [`CloseCode::NO_STATUS_RCVD`] (1005), which stands for a
    /// missing code (RFC 6455 section 7.1.5), with an empty reason sends an empty close frame.
    ///
    /// # Errors
    /// [`Error::Usage`] for a code that must not be sent or a reason of more than 123 bytes, whereupon the connection goes
    /// on; [`Error::Closed`] when the handshake has begun already, or the connection is over, as in
    /// [`Handler::close`](super::Handler::close). After an error ended the connection, that error, as in
    /// [`Handler::error`](super::Handler::error).
    pub fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        self.begin_close(ClosePayload::new(code, reason)?.frame())
    }

    pub(super) fn begin_close(&mut self, frame: Option<&CloseFrame>) -> Result<()> {
        self.check_sending()?;
        let writer = self.writer.get_or_insert_default();
        self.protocol.close(frame, writer.output.buffer())?;
        self.metrics.on_close_sent(frame.map(|frame| frame.code));
        Ok(())
    }

    /// Drops the connection without a closing handshake, and with it what is unwritten; the peer sees 1006.
    pub fn abort(&mut self) {
        self.requests.abort();
    }

    /// Calls [`Handler::tick`](super::Handler::tick) once when this much time has passed, in place of any earlier call of this
    /// method that is still to come true. For one tick after another, `tick` itself calls it again.
    ///
    /// A tick comes when the worker has no more urgent input to handle, to the millisecond at best, and at most once for each turn
    /// of the worker. Nothing comes of one whose time has not come when the connection ends.
    pub fn tick_after(&mut self, after: Duration) {
        self.set_tick(Instant::now().checked_add(after));
    }

    /// Takes back what [`tick_after`](Self::tick_after) asked for.
    pub fn cancel_tick(&mut self) {
        if self.tick().is_some() {
            self.set_tick(None);
        }
    }

    fn set_tick(&mut self, tick: Option<Instant>) {
        self.extras().tick = tick;
        self.requests.0 |= Requests::TICK;
    }

    /// When a tick is due.
    pub(super) fn tick(&self) -> Option<Instant> {
        self.extras.as_ref()?.tick
    }

    /// Takes a tick that is due.
    pub(super) fn take_tick(&mut self, now: Instant) -> bool {
        let due = self.tick().is_some_and(|tick| tick <= now);
        if due {
            self.extras().tick = None;
        }
        due
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    fn check_sending(&self) -> Result<()> {
        if !self.requests.is_abort() {
            return Ok(());
        }
        let end = self.extras.as_ref().and_then(|extras| extras.end.as_ref());
        Err(end.map_or(Error::Closed(None), |end| end.of_later_call()))
    }

    /// The connection is over: nothing more is sent, whatever the protocol would still allow. `end` is what those are told who
    /// try it.
    pub(super) fn end(&mut self, end: Error) {
        self.requests.abort();
        let end = Arc::new(end);
        if let Some(handle) = self.handle.0.get() {
            handle.on_end(end.clone());
        }
        self.extras().end = Some(end);
    }

    /// How much of what was sent is unwritten, in bytes. Unless the peer reads more slowly than it is written to, that is
    /// what the callbacks for the input at hand have sent.
    pub fn unwritten(&self) -> usize {
        self.in_flight as usize + self.writer.as_ref().map_or(0, |writer| writer.output.len())
    }

    /// Whether messages can be sent: the closing handshake has not begun.
    pub fn is_open(&self) -> bool {
        self.protocol.state() == State::Open && !self.requests.is_abort()
    }

    /// A way to this connection from any thread, at any time.
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

    /// Sends a message to all connections of the server that are open, this one included. Each worker writes it to its own,
    /// soon after the callbacks at hand are done. It is [`Prepared`] for that: compressed once, and by itself.
    ///
    /// # Errors
    /// As [`Broadcaster::broadcast`].
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// As [`broadcast`](Self::broadcast), of a message that was prepared before.
    ///
    /// # Errors
    /// As [`Broadcaster::broadcast`].
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.workers.broadcast(prepared)
    }

    /// Returns a way to all connections of the server, from any thread.
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
