//! The connection, from the first frame to the last.

mod config;
mod event;
mod half;
mod half_close;
mod input;
mod receiving;
mod role;
mod sending;
mod streamed;
mod streaming;

use std::fmt;
use std::mem;
use std::time::{Duration, Instant};

use bytes::buf::Limit;
use bytes::{Buf, Bytes, BytesMut};

pub use crate::closing::State;
pub use config::Config;
pub use event::Event;
pub use half::SendingHalf;
pub use input::Input;
pub use role::Role;

use crate::budget::{Charge, MemoryBudget};
use crate::close::{CloseCode, CloseFrame};
use crate::closing::Closing;
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, Parameters};
use crate::error::{ProtocolError, UsageError};
use crate::frame::OpCode;
use crate::keepalive::{Keepalive, Verdict};
pub use crate::keepalive::{Rtt, TransportStatus};
use crate::mask::MaskKey;
use crate::message::{Kind, Message, MessageCow, MessageRef};
use crate::prepared::Prepared;
use crate::text::Utf8Bytes;
use receiving::Receiving;
use sending::Sending;

/// While the output holds this much, in bytes, pongs are not added to it: only the last ping is remembered, and
/// answered when there is room (RFC 6455 section 5.5.3 allows it). A flood of pings at a peer that does not read
/// what it is sent costs no more memory than this.
const ANSWERS_LIMIT: usize = 16 * 1024;

/// Where a client's mask keys come from: each call gives a fresh key that cannot be predicted.
pub type MaskKeys = fn() -> MaskKey;

/// A WebSocket connection without its transport: bytes in, events out; messages in, bytes out.
///
/// It does no I/O and reads no clock: whoever drives it moves the bytes and tells the time. The loop is always the
/// same, for a server on a thread of its own as much as for a browser:
///
/// ```
/// use std::io::{Read, Write};
/// use std::time::Instant;
/// use sockeye_proto::connection::{Config, Connection, Event, Input, State};
///
/// fn echo(mut transport: impl Read + Write) -> Result<(), Box<dyn std::error::Error>> {
///     let mut connection = Connection::server(&Config::new());
///     let (mut buffer, mut out) = ([0; 4096], Vec::new());
///     while connection.state() != State::Closed {
///         let length = transport.read(&mut buffer)?;
///         if length == 0 {
///             return Err("the peer is gone without a close frame".into());
///         }
///         let mut input = Input::new(&mut buffer[..length]);
///         let received = loop {
///             match connection.receive(&mut input, &mut out) {
///                 Ok(Some(Event::Message(message))) => connection.send(message.as_ref(), &mut out)?,
///                 Ok(Some(_)) => {}
///                 Ok(None) => break Ok(()),
///                 Err(error) => break Err(error),
///             }
///         };
///         // Written after an error too: the close frame that tells the peer is in it.
///         transport.write_all(&out)?;
///         out.clear();
///         received?;
///         connection.on_close_written(Instant::now());
///         // A driver that can wait for a deadline asks for it here.
///         let _deadline = connection.poll_timeout(Instant::now());
///     }
///     Ok(())
/// }
/// # let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i', 0x88, 0x80, 0, 0, 0, 0];
/// # struct Pipe<'a>(&'a [u8], Vec<u8>);
/// # impl Read for Pipe<'_> { fn read(&mut self, b: &mut [u8]) -> std::io::Result<usize> { self.0.read(b) } }
/// # impl Write for Pipe<'_> {
/// #     fn write(&mut self, b: &[u8]) -> std::io::Result<usize> { self.1.write(b) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let mut pipe = Pipe(&frame, Vec::new());
/// # struct Borrowed<'p, 'a>(&'p mut Pipe<'a>);
/// # impl Read for Borrowed<'_, '_> { fn read(&mut self, b: &mut [u8]) -> std::io::Result<usize> { self.0.read(b) } }
/// # impl Write for Borrowed<'_, '_> {
/// #     fn write(&mut self, b: &[u8]) -> std::io::Result<usize> { self.0.write(b) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # echo(Borrowed(&mut pipe)).unwrap();
/// # assert_eq!(pipe.1, [0x81, 2, b'h', b'i', 0x88, 0]);
/// ```
///
/// The invariant of the loop: what is in `out` after any call must be written, in order, before the driver waits.
/// That is how pongs, the answer to a close frame and the close frame after an error get to the peer.
#[derive(Debug)]
pub struct Connection {
    receiving: Receiving,
    sending: Sending,
    closing: Closing,
    keepalive: Keepalive,
    owed_pong: Option<Box<OwedPong>>,
}

/// The payload of the last ping that could not be answered yet, behind one pointer: an idle connection holds none.
#[derive(Debug)]
struct OwedPong(Box<[u8]>);

impl Connection {
    /// The server's end, after the opening handshake.
    pub fn server(config: &Config) -> Self {
        Self::new(Role::Server, config, None)
    }

    /// The client's end, after the opening handshake, with the source of its mask keys.
    pub fn client(config: &Config, mask_keys: MaskKeys) -> Self {
        Self::new(Role::Client, config, Some(mask_keys))
    }

    fn new(role: Role, config: &Config, mask_keys: Option<MaskKeys>) -> Self {
        Self {
            receiving: Receiving::new(role, config),
            sending: Sending::new(mask_keys),
            closing: Closing::new(config.close_timeout),
            keepalive: Keepalive::new(
                config.ping_after,
                config.pong_timeout,
                config.min_rate_for(role),
            ),
            owed_pong: None,
        }
    }

    /// Which end this is.
    pub const fn role(&self) -> Role {
        self.receiving.role()
    }

    /// Whether the beginning of a message or frame was taken, and its end was not.
    #[inline]
    pub fn is_mid_message(&self) -> bool {
        !self.receiving.is_between_messages()
    }

    /// Counts what is held of an unfinished message against a budget that connections share. A driver calls it after it
    /// received all input, and after a timeout, where the connection [is within a message](Connection::is_mid_message). What is
    /// held is given back with the message.
    ///
    /// # Errors
    /// [`ProtocolError::OverBudget`] when the budget is used up and this connection is to give way. The close frame that says so
    /// has been appended to `out`, and the connection is [`State::Closed`].
    #[cold]
    pub fn charge(
        &mut self,
        budget: &MemoryBudget,
        out: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        let charged = self.receiving.charge(budget);
        if let Err(error) = charged {
            self.receiving.abandon();
            self.fail(error, out);
        }
        charged
    }

    /// Returns the charge of the message in progress, if [`charge`](Connection::charge) has found it to hold much. A driver that
    /// waits gives it a [waker](Charge::wake_by), and calls `charge` again when it is woken.
    pub fn message_charge(&mut self) -> Option<&mut Charge> {
        self.receiving.message_charge()
    }

    /// How far the connection is towards its end.
    #[inline]
    pub fn state(&self) -> State {
        self.closing.state()
    }

    /// How long the closing handshake may take: [`Config::close_timeout`].
    pub const fn close_timeout(&self) -> Duration {
        self.closing.timeout()
    }

    /// Takes input and gives the next event, or `None` when it needs more; answers are appended to `out`.
    ///
    /// When `None` is returned all input was taken. After the peer's close frame, or an error, all input is
    /// discarded.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer breaks a rule. The close frame that says so has been appended to `out`, and the
    /// connection is [`State::Closed`].
    #[inline]
    pub fn receive<'a>(
        &mut self,
        input: &mut Input<'a>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if let Some(received) = self.whole_message(input, out) {
            return received.map(|message| Some(Event::Message(MessageCow::Borrowed(message))));
        }
        self.receive_any(input, out)
    }

    /// As [`Connection::receive`], from input in shared bytes: a message that is whole in one frame is split off
    /// without a copy.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    #[inline]
    pub fn receive_bytes(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        let before = input.len();
        let mut cursor = Input::new(input);
        if let Some(received) = self.whole_message(&mut cursor, out) {
            let rest = cursor.len();
            // The payload is the end of what was taken.
            let received = received.map(|message| (message.kind(), message.as_bytes().len()));
            let mut payload = take_front(input, before - rest);
            let (kind, length) = received?;
            payload.advance(payload.len() - length);
            let message = match kind {
                Kind::Text => Message::Text(Utf8Bytes::from_checked(payload)),
                Kind::Binary => Message::Binary(payload),
            };
            return Ok(Some(Event::Message(MessageCow::Owned(message))));
        }
        let event = self.receive_any(&mut cursor, out).map(|event| event.map(Event::into_owned));
        let rest = cursor.len();
        drop(take_front(input, before - rest));
        event
    }

    /// Where to read next while a large payload is in progress: straight into its final place, as far as it goes. The
    /// spare capacity is no more than the limit, and not empty.
    /// [`Connection::payload_read`] must follow such a read. `None` when the next bytes are to be
    /// [received](Connection::receive).
    pub fn payload_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        if !self.closing.is_receiving() {
            return None;
        }
        self.receiving.payload_space()
    }

    /// Takes the `length` bytes that were just read into the [payload space](Connection::payload_space).
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn payload_read(
        &mut self,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        self.keepalive.on_input(length);
        let received = self.receiving.payload_read(length);
        self.answer(received, out)
    }

    /// Appends a message to `out`.
    ///
    /// # Errors
    /// [`UsageError::Closing`] after the close frame was sent.
    #[inline]
    pub fn send(&mut self, message: MessageRef<'_>, out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.message(message, out)
    }

    /// As [`Connection::send`], but of a message with a long payload that is sent as it is, only the header is appended,
    /// and `true` given back: the caller is to write the payload right after `out`, best by one vectored write.
    ///
    /// # Errors
    /// As [`Connection::send`].
    #[inline]
    pub fn send_in_place(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        self.sending.in_place(message, out)
    }

    /// As [`Connection::send`], of a message that is [prepared](Prepared): bytes that are ready are appended. Bytes given back
    /// are the rest of the frame, which the caller is to write right after `out`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    #[inline]
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, UsageError> {
        self.sending.prepared(prepared, out)
    }

    /// Whether the frame of a message is the same on every connection that says so: neither masked nor compressed, and the
    /// close frame was not sent. What was encoded once may then be appended to the output of each.
    #[inline]
    pub const fn sends_plain(&self) -> bool {
        self.sending.is_plain()
    }

    /// Appends a ping with at most 125 bytes of payload to `out`.
    ///
    /// # Errors
    /// [`UsageError::ControlTooLong`], and [`UsageError::Closing`] after the close frame was sent.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.control(OpCode::Ping, payload, out)
    }

    /// Appends a pong that no ping asked for, a heartbeat (RFC 6455 section 5.5.3), to `out`. Pings are answered
    /// without it.
    ///
    /// # Errors
    /// [`UsageError::ControlTooLong`], and [`UsageError::Closing`] after the close frame was sent.
    pub fn pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.control(OpCode::Pong, payload, out)
    }

    /// Begins the closing handshake: appends the close frame to `out`. Go on receiving until [`Event::Close`].
    ///
    /// # Errors
    /// [`UsageError::Closing`] after a close frame was sent, [`UsageError::InvalidCloseCode`] and
    /// [`UsageError::ControlTooLong`] for one that must not be; the connection is then as it was.
    pub fn close(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.sending.close(frame, out)?;
        self.closing.on_close_sent();
        Ok(())
    }

    /// Appends the pong that waits for room, if there is one: to be called when `out` was written.
    #[inline]
    pub fn poll_owed(&mut self, out: &mut Vec<u8>) {
        if self.owed_pong.is_some() && out.len() < ANSWERS_LIMIT {
            if let Some(owed) = self.owed_pong.take() {
                // Refused only after the close frame, and then there is none to send.
                let _ = self.pong(&owed.0, out);
            }
        }
    }

    /// Starts [`Config::close_timeout`] once the local close frame is with the transport. Returns whether
    /// [`poll_timeout`](Connection::poll_timeout) has a new deadline by that.
    ///
    /// A driver calls it whenever all output is written and the [`State`] is not [`State::Open`]; it does nothing where no
    /// close frame was waiting. Until then an orderly closing handshake has no deadline, so that what was sent before the
    /// close frame is not cut while a slow peer still takes it: the driver bounds that wait by the progress of its writes
    /// ([`Config::write_timeout`]). After a [`ProtocolError`] the time of the peer begins at once.
    pub fn on_close_written(&mut self, now: Instant) -> bool {
        self.closing.on_close_written(now)
    }

    /// When to call [`Connection::handle_timeout`]; `None` for never.
    ///
    /// It changes only with the [`State`], by `handle_timeout` and by [`on_close_written`](Connection::on_close_written):
    /// between those, a driver need not ask again. The other deadlines are counted from the `now` of the first call that could
    /// know of them.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        match self.state() {
            State::Open => self.keepalive.poll_timeout(now),
            State::Closing | State::PeerClosed | State::Closed => self.closing.poll_timeout(now),
        }
    }

    /// Takes note of a pong that arrived at `now`: whether it answers the keepalive's ping, and how long that took. A driver
    /// that wants to know [`Connection::rtt`] calls it for each [`Event::Pong`]. Says whether there is a new one by it.
    pub fn handle_pong(&mut self, payload: &[u8], now: Instant) -> bool {
        self.keepalive.measure(payload, now)
    }

    /// The round-trip time, once a keepalive ping was answered. Those are sent into silence only: a connection that is never
    /// silent tells none.
    ///
    /// The peer can make it longer or shorter than it is: a ping carries a number that can be guessed.
    pub const fn rtt(&self) -> Option<Rtt> {
        self.keepalive.rtt()
    }

    /// Takes note that the transport took output. `waited` says whether the transport had taken nothing before, so that its
    /// taking some is a sign of life of the peer.
    ///
    /// A driver calls it after a write, once for any number of messages. Without it, a connection sends a pong that nobody asked
    /// for whenever it was sent no ping for [`Config::ping_after`], although messages were sent.
    #[inline]
    pub fn handle_written(&mut self, waited: bool) {
        self.keepalive.on_written(waited);
    }

    /// Does what is due at `now`: appends a ping to `out` when the peer was silent, and a pong that nobody asked for when only
    /// this end was. `status` tells how far the output has come, and is called only when something depends on it.
    ///
    /// # Errors
    /// [`TimedOut`] when a deadline has passed: the connection is over. A close frame that says so may have been appended to
    /// `out`, which is to be written as far as the transport takes it at once; then the transport is to be dropped.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        status: impl FnOnce() -> TransportStatus,
        out: &mut Vec<u8>,
    ) -> Result<(), TimedOut> {
        if self.state() != State::Open {
            if !self.closing.is_expired(now) {
                return Ok(());
            }
            let heard = self.keepalive.take_heard();
            if self.closing.is_put_off(heard, now) {
                return Ok(());
            }
            self.end();
            return Err(TimedOut::Closing);
        }
        let assembling = self.receiving.is_assembling();
        match self.keepalive.handle_timeout(now, assembling, status) {
            Verdict::Alive => {}
            // An open connection takes short control frames.
            Verdict::Ping(payload) => drop(self.ping(&payload, out)),
            Verdict::Heartbeat => drop(self.pong(b"", out)),
            Verdict::Expired => return Err(self.time_out(TimedOut::Keepalive, out)),
            Verdict::TooSlow => return Err(self.time_out(TimedOut::MessageTooSlow, out)),
        }
        Ok(())
    }

    /// Tells a peer that may still be there why the connection is over.
    #[cold]
    fn time_out(&mut self, late: TimedOut, out: &mut Vec<u8>) -> TimedOut {
        let (code, reason) = match late {
            TimedOut::MessageTooSlow => (CloseCode::POLICY_VIOLATION, "message too slow"),
            // The code that Python's websockets uses for the same.
            _ => (CloseCode::INTERNAL_ERROR, "keepalive timeout"),
        };
        let frame = CloseFrame { code, reason: reason.into() };
        // Refused only when a close frame was sent before.
        let _ = self.sending.close(Some(&frame), out);
        self.end();
        late
    }

    /// Gives up on a peer that is gone: nothing more is received or sent.
    fn end(&mut self) {
        self.sending.end();
        self.closing.on_end();
    }

    /// The usual case, by the shortest way; `None` says that nothing was taken.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "its callers branch on what it finds: a call in between costs 27 instructions of 623 a message"
    )]
    fn whole_message<'a>(
        &mut self,
        input: &mut Input<'a>,
        out: &mut Vec<u8>,
    ) -> Option<Result<MessageRef<'a>, ProtocolError>> {
        if !self.closing.is_receiving() {
            return None;
        }
        let before = input.len();
        let received = self.receiving.whole_message(input)?;
        self.keepalive.on_input(before - input.len());
        if let Err(error) = received {
            self.fail(error, out);
        }
        Some(received)
    }

    /// Any other case.
    fn receive_any<'a>(
        &mut self,
        input: &mut Input<'a>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if !self.closing.is_receiving() {
            input.take(usize::MAX);
            return Ok(None);
        }
        let before = input.len();
        let received = self.receiving.next(input);
        self.keepalive.on_input(before - input.len());
        self.answer(received, out)
    }

    /// Meets the obligations that come with an event or an error.
    fn answer<'a>(
        &mut self,
        received: Result<Option<Event<'a>>, ProtocolError>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        match &received {
            Ok(
                None
                | Some(
                    Event::Message(_)
                    | Event::Begin(_)
                    | Event::Piece(_)
                    | Event::End
                    | Event::Frame(_),
                ),
            ) => {}
            Ok(Some(Event::Pong(_))) => self.keepalive.on_pong(),
            Ok(Some(Event::Ping(payload))) => self.answer_ping(payload, out),
            Ok(Some(Event::Close { frame, mid_message })) => {
                self.answer_close(frame.as_ref(), *mid_message, out);
            }
            Err(error) => self.fail(*error, out),
        }
        received
    }

    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    //# If an endpoint receives a Close frame and did not previously send a
    //# Close frame, the endpoint MUST send a Close frame in response.
    #[cold]
    fn answer_close(&mut self, frame: Option<&CloseFrame>, mid_message: bool, out: &mut Vec<u8>) {
        let orderly = frame.is_none_or(|frame| frame.code.is_orderly());
        if orderly && !mid_message && self.closing.holds_answer() {
            return;
        }
        let code = frame.map(|frame| frame.code.into());
        // Refused if ours is out already, and then none is owed.
        match self.sending.close(code.as_ref(), out) {
            Ok(()) => self.closing.on_answer_sent(),
            Err(_) => self.closing.on_end(),
        }
    }

    /// Tells the peer what it broke.
    #[cold]
    fn fail(&mut self, error: ProtocolError, out: &mut Vec<u8>) {
        let reason = Utf8Bytes::from(error.to_string());
        let frame = CloseFrame { code: error.close_code(), reason };
        // Refused if ours is out already: the peer is closing, and needs no second.
        let _ = self.sending.close(Some(&frame), out);
        self.closing.on_failure();
    }

    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
    //# If an endpoint receives a Ping frame and has not yet sent Pong
    //# frame(s) in response to previous Ping frame(s), the endpoint MAY
    //# elect to send a Pong frame for only the most recently processed Ping
    //# frame.
    fn answer_ping(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if out.len() < ANSWERS_LIMIT {
            self.owed_pong = None;
            // Refused only after the close frame, when nothing is owed any more.
            let _ = self.pong(payload, out);
        } else {
            self.owed_pong = Some(Box::new(OwedPong(payload.into())));
        }
    }
}

/// Splits off the first `length` bytes. When nothing is left, `input` lets go of the buffer, so that its owner can use it
/// again while the connection waits for more.
#[inline]
fn take_front(input: &mut BytesMut, length: usize) -> Bytes {
    let front = if length == input.len() { mem::take(input) } else { input.split_to(length) };
    front.freeze()
}

#[cfg(feature = "deflate")]
impl Connection {
    /// This connection with permessage-deflate, as the opening handshake agreed on it.
    pub fn with_deflate(mut self, deflate: &Deflate, parameters: Parameters) -> Self {
        let role = self.role();
        self.receiving.set_inflater(parameters.inflater(role));
        self.sending.set_deflater(parameters.deflater(role, deflate));
        self
    }
}

/// A deadline passed: the peer is gone or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimedOut {
    /// Silence, and no answer to a ping within [`Config::pong_timeout`] of its arrival at the peer.
    Keepalive,
    /// The closing handshake was not finished within [`Config::close_timeout`].
    Closing,
    /// The transport took nothing of what was to be written within [`Config::write_timeout`].
    Writing,
    /// A message did not arrive whole within [`Config::read_timeout`].
    Reading,
    /// A message that had begun arrived more slowly than [`Config::min_message_rate`] allows.
    MessageTooSlow,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keepalive => "the peer is silent and did not answer a ping",
            Self::Closing => "the closing handshake was not finished in time",
            Self::Writing => {
                "the peer read nothing of what was to be written (if it waits to write as well, receive while sending)"
            }
            Self::Reading => "a message did not arrive whole in time",
            Self::MessageTooSlow => "a message arrived too slowly",
        })
    }
}

impl std::error::Error for TimedOut {}
