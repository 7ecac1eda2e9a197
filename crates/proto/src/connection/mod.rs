//! The connection, from the first frame to the last.

mod config;
mod event;
mod half;
mod half_close;
mod input;
mod length;
mod partial_frame;
mod receiving;
mod role;
mod sending;
mod streamed;
mod streaming;
mod timeouts;

use std::mem;

use bytes::buf::Limit;
use bytes::{Buf, Bytes, BytesMut};

pub use crate::closing::State;
pub use config::Config;
pub use event::Event;
pub use half::SendingHalf;
pub use input::Input;
pub use role::Role;
pub use timeouts::TimedOut;

use crate::budget::{Charge, MemoryBudget};
use crate::close::CloseFrame;
use crate::closing::Closing;
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, Parameters};
use crate::error::{ProtocolError, UsageError};
use crate::frame::OpCode;
use crate::keepalive::Keepalive;
pub use crate::keepalive::{Rtt, TransportStatus};
use crate::mask::MaskKey;
use crate::message::{Kind, Message, MessageCow, MessageRef};
use crate::prepared::Prepared;
use crate::text::Utf8Bytes;
use receiving::Receiving;
use sending::Sending;

/// Size of the output, in bytes, from which on pongs are not appended: the connection then
/// remembers only the last ping, and answers it once the output is shorter (RFC 6455 section 5.5.3
/// allows it). This bounds the memory that a flood of pings costs if the peer does not read the
/// output.
const ANSWERS_LIMIT: usize = 16 * 1024;

/// The source of a client's mask keys: each call returns a fresh key that cannot be predicted.
pub type MaskKeys = fn() -> MaskKey;

/// A WebSocket connection without its transport: bytes in, events out; messages in, bytes out.
///
/// A connection does no I/O and reads no clock: its driver moves the bytes and supplies the time.
/// The loop is always the same, for a server on a thread of its own as much as for a browser:
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
///         // Also after an error: `out` then holds the close frame that reports it.
///         transport.write_all(&out)?;
///         out.clear();
///         received?;
///         connection.on_close_written(Instant::now());
///         // A driver that can wait for a deadline polls it here.
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
/// The invariant of the loop: the bytes in `out` after any call must be written, in order, before
/// the driver waits. Pongs, the answer to a close frame and the close frame after an error reach
/// the peer in this way.
#[derive(Debug)]
pub struct Connection {
    receiving: Receiving,
    sending: Sending,
    closing: Closing,
    keepalive: Keepalive,
    pending_pong: Option<Box<PendingPong>>,
}

/// The payload of the last ping that could not be answered yet. Behind one pointer, which is all
/// that an idle connection holds.
#[derive(Debug)]
struct PendingPong(Box<[u8]>);

impl Connection {
    /// Creates the server's end of a connection, after the opening handshake.
    pub fn server(config: &Config) -> Self {
        Self::new(Role::Server, config, None)
    }

    /// Creates the client's end of a connection, after the opening handshake, with the source of
    /// its mask keys.
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
            pending_pong: None,
        }
    }

    /// Returns the role of the local end.
    pub const fn role(&self) -> Role {
        self.receiving.role()
    }

    /// Returns whether the beginning of a message or frame was taken, and its end was not.
    #[inline]
    pub fn is_mid_message(&self) -> bool {
        !self.receiving.is_between_messages()
    }

    /// Counts the memory of an unfinished message against a budget that connections share. A driver
    /// calls `charge` after it received all input, and after a timeout, if the connection [is
    /// within a message](Connection::is_mid_message). The memory is returned to the budget when the
    /// message ends.
    ///
    /// # Errors
    /// [`ProtocolError::OverBudget`] if the budget is used up and this connection must be closed.
    /// The close frame that reports it has been appended to `out`, and the connection is
    /// [`State::Closed`].
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

    /// Returns the charge of the message in progress, if [`charge`](Connection::charge) has counted
    /// the message: from 16 KiB on. A driver that waits sets the charge's [waker](Charge::wake_by),
    /// and calls `charge` again when woken.
    pub fn message_charge(&mut self) -> Option<&mut Charge> {
        self.receiving.message_charge()
    }

    /// Returns the state of the connection.
    #[inline]
    pub fn state(&self) -> State {
        self.closing.state()
    }

    /// Takes input and returns the next event, or `None` when more input is needed; answers are
    /// appended to `out`.
    ///
    /// When `receive` returns `None`, all input was taken. After the peer's close frame, or an
    /// error, all input is discarded.
    ///
    /// # Errors
    /// [`ProtocolError`] if the peer breaks a rule. The close frame that reports it has been
    /// appended to `out`, and the connection is [`State::Closed`].
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

    /// Receives like [`Connection::receive`], but from shared bytes: a message that is complete in
    /// one frame is split off without a copy.
    ///
    /// # Errors
    /// Same as [`Connection::receive`].
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
            // The payload is the end of the bytes that were taken.
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

    /// Returns the buffer to read into while a large payload is in progress, so that the payload
    /// arrives in its final place. The spare capacity is at most the limit, and not empty. After
    /// such a read the driver must call [`Connection::payload_read`]. Returns `None` if the next
    /// bytes must be [received](Connection::receive).
    pub fn payload_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        if !self.closing.is_receiving() {
            return None;
        }
        self.receiving.payload_space()
    }

    /// Takes the `length` bytes that were just read into the [payload
    /// space](Connection::payload_space).
    ///
    /// # Errors
    /// Same as [`Connection::receive`].
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

    /// Appends a message to `out` like [`Connection::send`], but if the message has a long payload
    /// that is sent unchanged, appends only the header and returns `true`: the caller must write
    /// the payload right after `out`, preferably with one vectored write.
    ///
    /// # Errors
    /// Same as [`Connection::send`].
    #[inline]
    pub fn send_in_place(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        self.sending.in_place(message, out)
    }

    /// Appends a binary message to `out` whose payload is `head` and `rest`. If `rest` is long and
    /// sent unchanged, appends only the header and `head` and returns `true`: the caller must write
    /// `rest` right after `out`.
    ///
    /// # Errors
    /// Same as [`Connection::send`].
    #[inline]
    pub fn send_in_place_after(
        &mut self,
        head: &[u8],
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        self.sending.in_place_after(head, rest, out)
    }

    /// Appends a [prepared](Prepared) message to `out`, with a frame that is encoded once for all
    /// connections. Returned bytes are the rest of the frame, which the caller must write right
    /// after `out`.
    ///
    /// # Errors
    /// Same as [`Connection::send`].
    #[inline]
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, UsageError> {
        self.sending.prepared(prepared, out)
    }

    /// Returns whether a message can be sent now in a frame that is neither masked nor compressed:
    /// no close frame was sent, and no message in fragments is in progress. Such a frame is the
    /// same on every connection, so one encoding can be appended to the output of each.
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

    /// Appends an unsolicited pong, a heartbeat (RFC 6455 section 5.5.3), to `out`. Pings are
    /// answered without this method.
    ///
    /// # Errors
    /// [`UsageError::ControlTooLong`], and [`UsageError::Closing`] after the close frame was sent.
    pub fn pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.control(OpCode::Pong, payload, out)
    }

    /// Begins the closing handshake: appends the close frame to `out`. The caller then continues to
    /// receive until [`Event::Close`].
    ///
    /// # Errors
    /// [`UsageError::Closing`] after a close frame was sent, [`UsageError::InvalidCloseCode`] and
    /// [`UsageError::ControlTooLong`] for a frame that must not be sent; the connection is then
    /// unchanged.
    pub fn close(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.sending.close(frame, out)?;
        self.closing.on_close_sent();
        Ok(())
    }

    /// Appends the deferred pong, if there is one and `out` is short enough. The driver calls
    /// `poll_pending_pong` after it wrote `out`.
    #[inline]
    pub fn poll_pending_pong(&mut self, out: &mut Vec<u8>) {
        if self.pending_pong.is_some() && out.len() < ANSWERS_LIMIT {
            if let Some(owed) = self.pending_pong.take() {
                // `pong` fails only after the close frame, when no pong is due.
                let _ = self.pong(&owed.0, out);
            }
        }
    }

    /// Handles the usual case, a complete message in one frame, by the fast path. Returns `None` if
    /// nothing was taken.
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

    /// Handles all input that the fast path does not take.
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

    /// Appends the answer that an event or an error requires.
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
        if orderly && !mid_message && self.closing.defer_answer() {
            return;
        }
        let code = frame.map(|frame| frame.code.into());
        // `close` fails if the local close frame was sent already: then no answer is due.
        match self.sending.close(code.as_ref(), out) {
            Ok(()) => self.closing.on_answer_sent(),
            Err(_) => self.closing.on_end(),
        }
    }

    /// Appends the close frame that reports `error` to the peer, and ends the connection.
    #[cold]
    fn fail(&mut self, error: ProtocolError, out: &mut Vec<u8>) {
        let reason = Utf8Bytes::from(error.to_string());
        let frame = CloseFrame { code: error.close_code(), reason };
        // `close` fails if the local close frame was sent already: the peer needs no second one.
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
            self.pending_pong = None;
            // `pong` fails only after the close frame, when no pong is due.
            let _ = self.pong(payload, out);
        } else {
            self.pending_pong = Some(Box::new(PendingPong(payload.into())));
        }
    }
}

/// Splits off the first `length` bytes. If nothing is left, `input` releases the buffer, so that
/// its owner can reuse it while the connection waits for more.
#[inline]
fn take_front(input: &mut BytesMut, length: usize) -> Bytes {
    let front = if length == input.len() { mem::take(input) } else { input.split_to(length) };
    front.freeze()
}

#[cfg(feature = "deflate")]
impl Connection {
    /// Returns this connection with permessage-deflate, as the opening handshake negotiated it.
    pub fn with_deflate(mut self, deflate: &Deflate, parameters: Parameters) -> Self {
        let role = self.role();
        self.receiving.set_inflater(parameters.inflater(role));
        self.sending.set_deflater(parameters.deflater(role, deflate));
        self
    }
}
