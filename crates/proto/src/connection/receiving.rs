use std::borrow::Cow;
use std::mem;

use bytes::BufMut;
use bytes::buf::Limit;

use super::streamed::Streamed;
use super::{Config, Event, Input, Role};
use crate::assembler::Assembler;
use crate::budget::{Charge, MemoryBudget};
use crate::close::CloseFrame;
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{Header, MAX_HEADER_SIZE, OpCode, Reserved};
use crate::mask;
use crate::message::{Kind, MessageCow, MessageRef};

/// From this many missing bytes on, a payload is worth a read of its own into its final place. Below, one read into
/// the shared buffer that may bring the next frames too costs less than the copy it saves.
const DIRECT_FROM: u64 = 16 * 1024;

/// What a connection holds of a message is counted from this much on, in bytes, so that messages which are cut by the end of a
/// read only are not. Ten thousand connections that stay below it hold 160 MB.
const CHARGED_FROM: usize = 16 * 1024;

/// The size of the decompressor that a compressed message holds, in bytes: see `deflate::pool`.
const WINDOW_SIZE: usize = 46 * 1024;

/// The receiving half: from bytes to events.
///
/// Of a frame that has not fully arrived it keeps what is there: the beginning of a header inline, the beginning of a
/// payload in `message` or, for a control frame, in `frame`. Between messages it owns nothing outside itself.
#[derive(Debug)]
pub(super) struct Receiving {
    role: Role,
    max_frame_length: u64,
    max_message_length: usize,
    max_streamed_length: u64,
    /// Payloads of less than this length, in bytes, may be taken by the shortest way. In four bytes, since every idle
    /// connection holds it.
    short_way_below: u32,
    report_frames: bool,
    /// Whether the next message is given in pieces.
    streaming: bool,
    partial: PartialHeader,
    frame: Option<Box<Frame>>,
    /// Of these two at most one is there.
    message: Option<Box<Message>>,
    streamed: Option<Box<Streamed>>,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// A frame whose payload has not fully arrived.
#[derive(Debug)]
struct Frame {
    header: Header,
    /// How much of the payload was taken.
    position: u64,
    /// The payload so far, if it is a control frame.
    control: Vec<u8>,
}

/// A message of which some frame, or part of one, was taken.
#[derive(Debug)]
struct Message {
    assembler: Assembler,
    compressed: bool,
    /// What it holds of a budget, once that is much.
    charge: Option<Charge>,
}

impl Receiving {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        let mut receiving = Self {
            role,
            short_way_below: 0,
            report_frames: config.report_frames,
            streaming: false,
            max_frame_length: config.max_frame_length,
            max_message_length: config.max_message_length,
            max_streamed_length: config.max_streamed_length,
            partial: PartialHeader::new(),
            frame: None,
            message: None,
            streamed: None,
            #[cfg(feature = "deflate")]
            inflater: None,
        };
        receiving.open_short_way();
        receiving
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_inflater(&mut self, inflater: Inflater) {
        self.inflater = Some(Box::new(inflater));
    }

    /// Whether messages that begin from now on are given in pieces.
    pub(super) fn set_streaming(&mut self, streaming: bool) {
        self.streaming = streaming;
        self.open_short_way();
    }

    /// Opens the shortest way, or closes it where it would miss something.
    fn open_short_way(&mut self) {
        let closed = self.report_frames || self.streaming || self.streamed.is_some();
        let longest = self.max_message_length.min(as_usize(self.max_frame_length));
        let below = u32::try_from(longest.saturating_add(1)).unwrap_or(u32::MAX);
        self.short_way_below = if closed { 0 } else { below };
    }

    /// Whether something was begun that is not whole yet.
    #[inline]
    pub(super) fn is_mid_message(&self) -> bool {
        self.message.is_some() || self.frame.is_some() || !self.partial.is_empty()
    }

    /// Whether a part of a message is held until its rest arrives.
    pub(super) fn is_assembling(&self) -> bool {
        self.message.is_some() || (self.frame.is_some() && self.streamed.is_none())
    }

    /// Lets go of the message in progress.
    pub(super) fn abandon(&mut self) {
        self.message = None;
        self.frame = None;
    }

    /// Counts what the message in progress holds against a budget, if that is much.
    pub(super) fn charge(&mut self, budget: &MemoryBudget) -> Result<(), ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        let window = if message.compressed { WINDOW_SIZE } else { 0 };
        let held = message.assembler.len() + window;
        if held < CHARGED_FROM {
            return Ok(());
        }
        message.charge.get_or_insert_with(|| budget.charge()).set(held)
    }

    /// The charge of the message in progress, if it holds much.
    pub(super) fn message_charge(&mut self) -> Option<&mut Charge> {
        self.message.as_mut()?.charge.as_mut()
    }

    /// The usual case by the shortest way: a message in one frame that is all there and breaks no rule that can be seen
    /// in its header. `None` says that nothing was taken and that [`Receiving::next`] is to look.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "as of its one caller: the call costs 14 instructions of 570 a message"
    )]
    pub(super) fn whole_message<'a>(
        &mut self,
        input: &mut Input<'a>,
    ) -> Option<Result<MessageRef<'a>, ProtocolError>> {
        if self.is_mid_message() {
            return None;
        }
        let (opcode, key, payload) = Header::decode_whole_message(input.as_bytes())?;
        let is_short = payload.len() < self.short_way_below as usize;
        if key.is_some() != (self.role == Role::Server) || !is_short {
            return None;
        }
        let payload = &mut input.take(payload.end)[payload.start..];
        if let Some(key) = key {
            mask::apply(payload, key, 0);
        }
        Some(message(opcode, payload))
    }

    /// Whether nothing is kept of what was received.
    pub(super) fn is_between_messages(&self) -> bool {
        self.partial.is_empty() && self.frame.is_none() && self.in_progress().is_none()
    }

    /// The next event, or `None` when all input was taken.
    pub(super) fn next<'a>(
        &mut self,
        input: &mut Input<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        loop {
            if self.streamed.is_some() {
                if let Some(event) = self.poll_streamed()? {
                    return Ok(Some(event));
                }
            }
            let event = if let Some(frame) = &self.frame {
                if input.is_empty() && frame.position < frame.header.length {
                    return Ok(None);
                }
                self.resume(input)?
            } else {
                let Some(header) = self.header(input)? else { return Ok(None) };
                self.check(&header)?;
                if self.report_frames {
                    self.begin(header);
                    return Ok(Some(Event::Frame(header)));
                }
                let streams = self.streams() && !header.opcode.is_control();
                if header.length <= input.len() as u64 && !streams {
                    self.whole(&header, input)?
                } else {
                    self.begin(header);
                    continue;
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Where the rest of a large payload wants to be read, if one is in progress.
    pub(super) fn payload_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let frame = self.frame.as_ref()?;
        let missing = frame.header.length - frame.position;
        let message = self.message.as_mut()?;
        if frame.header.opcode.is_control() || message.compressed || missing < DIRECT_FROM {
            return None;
        }
        let missing = as_usize(missing);
        Some(message.assembler.room(missing)?.limit(missing))
    }

    /// The last `length` bytes of the payload space were filled.
    pub(super) fn payload_read(
        &mut self,
        length: usize,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(None);
        };
        let buffer = message.assembler.buffer();
        let start = buffer.len().saturating_sub(length);
        frame.unmask(&mut buffer[start..]);
        message.assembler.check()?;
        if frame.position < frame.header.length {
            return Ok(None);
        }
        let fin = frame.header.fin;
        self.frame = None;
        if fin { self.finish() } else { Ok(None) }
    }

    /// Takes a header, or keeps the beginning of one.
    #[inline]
    fn header(&mut self, input: &mut Input<'_>) -> Result<Option<Header>, ProtocolError> {
        if !self.partial.is_empty() {
            return self.partial.resume(input);
        }
        if let Some((header, size)) = Header::decode(input.as_bytes())? {
            input.take(size);
            return Ok(Some(header));
        }
        self.partial.keep(input);
        Ok(None)
    }

    /// The rules that concern a header and what came before it.
    #[inline]
    fn check(&self, header: &Header) -> Result<(), ProtocolError> {
        let Header { opcode, reserved, length, .. } = *header;
        match (self.role, header.mask) {
            //= https://www.rfc-editor.org/rfc/rfc6455#section-5.1
            //# The server MUST close the connection upon receiving a frame that is
            //# not masked.
            (Role::Server, None) => return Err(ProtocolError::Unmasked),
            //= https://www.rfc-editor.org/rfc/rfc6455#section-5.1
            //# A client MUST close a connection if it detects a masked
            //# frame.
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked),
            (Role::Server, Some(_)) | (Role::Client, None) => {}
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.2
        //# MUST be 0 unless an extension is negotiated that defines meanings
        //# for non-zero values.
        #[cfg(feature = "deflate")]
        let allowed = reserved == Reserved::NONE || self.may_be_compressed(header);
        #[cfg(not(feature = "deflate"))]
        let allowed = reserved == Reserved::NONE;
        if !allowed {
            return Err(ProtocolError::ReservedBits { bits: reserved.bits() });
        }
        if opcode.is_control() {
            return Ok(());
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.4
        //# The fragments of one message MUST NOT be interleaved between the
        //# fragments of another message unless an extension has been
        //# negotiated that can interpret the interleaving.
        let (so_far, compressed) = match (self.in_progress(), opcode) {
            (None, OpCode::Continuation) => return Err(ProtocolError::UnexpectedContinuation),
            (None, _) => (0, reserved == Reserved::RSV1),
            (Some(in_progress), OpCode::Continuation) => in_progress,
            (Some(_), _) => return Err(ProtocolError::ExpectedContinuation { opcode }),
        };
        if length > self.max_frame_length {
            return Err(ProtocolError::FrameTooLong { length, limit: self.max_frame_length });
        }
        let limit =
            if self.streams() { self.max_streamed_length } else { self.max_message_length as u64 };
        if !compressed && length > limit.saturating_sub(so_far) {
            return Err(ProtocolError::MessageTooLong { limit: as_usize(limit) });
        }
        Ok(())
    }

    /// How long the message in progress is so far, in bytes, and whether it is compressed.
    #[inline]
    fn in_progress(&self) -> Option<(u64, bool)> {
        match (&self.message, &self.streamed) {
            (Some(message), _) => Some((message.assembler.len() as u64, message.compressed)),
            (None, Some(streamed)) => Some((streamed.length(), streamed.is_compressed())),
            (None, None) => None,
        }
    }

    /// Whether a data frame belongs to a message that is given in pieces.
    #[inline]
    fn streams(&self) -> bool {
        self.streamed.is_some() || (self.streaming && self.message.is_none())
    }

    /// Whether RSV1, and it alone, is set where it means a compressed message.
    #[cfg(feature = "deflate")]
    fn may_be_compressed(&self, header: &Header) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc7692#section-6.1
        //# An endpoint MUST NOT set the "Per-Message Compressed" bit of control
        //# frames and non-first fragments of a data message.
        self.inflater.is_some()
            && header.reserved == Reserved::RSV1
            && matches!(header.opcode, OpCode::Text | OpCode::Binary)
    }

    /// Takes a frame whose payload is all there.
    #[inline]
    fn whole<'a>(
        &mut self,
        header: &Header,
        input: &mut Input<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let payload = input.take(as_usize(header.length));
        if let Some(key) = header.mask {
            mask::apply(payload, key, 0);
        }
        if header.opcode.is_control() {
            return self.control(header.opcode, Cow::Borrowed(payload)).map(Some);
        }
        if header.fin && self.message.is_none() && header.reserved == Reserved::NONE {
            let message = if header.opcode == OpCode::Text {
                let text =
                    simdutf8::basic::from_utf8(payload).map_err(|_| ProtocolError::InvalidUtf8)?;
                MessageRef::Text(text)
            } else {
                MessageRef::Binary(payload)
            };
            return Ok(Some(Event::Message(MessageCow::Borrowed(message))));
        }
        self.open(header);
        self.append(payload, header.fin)?;
        if header.fin { self.finish() } else { Ok(None) }
    }

    /// Notes a frame of which a part of the payload is missing.
    fn begin(&mut self, header: Header) {
        if !header.opcode.is_control() && self.streams() {
            self.stream(&header);
        } else if !header.opcode.is_control() {
            let message = self.open(&header);
            if !message.compressed {
                message.assembler.reserve(as_usize(header.length));
            }
        }
        self.frame = Some(Box::new(Frame { header, position: 0, control: Vec::new() }));
    }

    /// Takes as much of the payload in progress as is there.
    fn resume<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let missing = frame.header.length - frame.position;
        let payload = input.take(as_usize(missing));
        frame.unmask(payload);
        let Header { opcode, fin, .. } = frame.header;
        let complete = frame.position == frame.header.length;
        if opcode.is_control() {
            frame.control.extend_from_slice(payload);
            if !complete {
                return Ok(None);
            }
            let payload = mem::take(&mut frame.control);
            self.frame = None;
            return self.control(opcode, Cow::Owned(payload)).map(Some);
        }
        if complete {
            self.frame = None;
        }
        if let Some(streamed) = &mut self.streamed {
            return Ok(streamed.take(payload, complete && fin));
        }
        self.append(payload, complete && fin)?;
        if complete && fin { self.finish() } else { Ok(None) }
    }

    /// The message that a data frame belongs to, a new one for its first frame.
    fn open(&mut self, header: &Header) -> &mut Message {
        self.message.get_or_insert_with(|| {
            Box::new(Message {
                assembler: Assembler::new(kind(header)),
                compressed: header.reserved == Reserved::RSV1,
                charge: None,
            })
        })
    }

    /// As [`Receiving::open`], of a message that is given in pieces.
    fn stream(&mut self, header: &Header) {
        if self.streamed.is_none() {
            let compressed = header.reserved == Reserved::RSV1;
            let streamed = Streamed::new(kind(header), compressed, self.max_streamed_length);
            self.streamed = Some(Box::new(streamed));
            self.open_short_way();
        }
    }

    /// What is ready of the message that is given in pieces.
    fn poll_streamed(&mut self) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(streamed) = &mut self.streamed else { return Ok(None) };
        #[cfg(feature = "deflate")]
        let event = streamed.poll(self.inflater.as_deref_mut())?;
        #[cfg(not(feature = "deflate"))]
        let event = streamed.poll()?;
        if matches!(event, Some(Event::End)) {
            self.streamed = None;
            self.open_short_way();
        }
        Ok(event)
    }

    /// Adds a piece of payload to the message in progress; `last` when the message ends with it.
    fn append(&mut self, payload: &[u8], last: bool) -> Result<(), ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        #[cfg(feature = "deflate")]
        if let (true, Some(inflater)) = (message.compressed, &mut self.inflater) {
            let buffer = message.assembler.buffer();
            let inflated = inflater.inflate(payload, last, buffer, self.max_message_length);
            // What came before an error is checked first: how the payload was cut must not decide which of two
            // errors is seen.
            return message.assembler.check().and(inflated);
        }
        let _ = last;
        message.assembler.push(payload)
    }

    /// The event that a whole control frame is.
    fn control<'a>(
        &self,
        opcode: OpCode,
        payload: Cow<'a, [u8]>,
    ) -> Result<Event<'a>, ProtocolError> {
        Ok(match opcode {
            OpCode::Close => Event::Close {
                frame: CloseFrame::decode(&payload)?,
                mid_message: self.in_progress().is_some(),
            },
            OpCode::Ping => Event::Ping(payload),
            _ => Event::Pong(payload),
        })
    }

    /// Ends the message in progress.
    fn finish<'a>(&mut self) -> Result<Option<Event<'a>>, ProtocolError> {
        let Some(message) = self.message.take() else { return Ok(None) };
        let message = message.assembler.finish()?;
        Ok(Some(Event::Message(MessageCow::Owned(message))))
    }
}

impl Frame {
    /// Unmasks the next piece of payload.
    fn unmask(&mut self, piece: &mut [u8]) {
        if let Some(key) = self.header.mask {
            mask::apply(piece, key, as_usize(self.position % 4));
        }
        self.position += piece.len() as u64;
    }
}

/// The message that a whole payload is.
#[inline]
fn message(opcode: OpCode, payload: &[u8]) -> Result<MessageRef<'_>, ProtocolError> {
    if opcode != OpCode::Text {
        return Ok(MessageRef::Binary(payload));
    }
    match simdutf8::basic::from_utf8(payload) {
        Ok(text) => Ok(MessageRef::Text(text)),
        Err(_) => Err(ProtocolError::InvalidUtf8),
    }
}

/// The kind of the message that begins with a frame.
fn kind(header: &Header) -> Kind {
    match header.opcode {
        OpCode::Text => Kind::Text,
        _ => Kind::Binary,
    }
}

/// A length that was compared with a limit or with what is there, of which either fits a `usize`; else more than
/// there can be.
pub(super) fn as_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// The beginning of a header whose rest has not arrived.
#[derive(Debug)]
struct PartialHeader {
    bytes: [u8; MAX_HEADER_SIZE],
    length: u8,
}

impl PartialHeader {
    const fn new() -> Self {
        Self { bytes: [0; MAX_HEADER_SIZE], length: 0 }
    }

    const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Keeps all input, which was too short for a header.
    fn keep(&mut self, input: &mut Input<'_>) {
        let bytes = input.take(MAX_HEADER_SIZE);
        for byte in bytes {
            self.push(*byte);
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.length)] = byte;
        self.length += 1;
    }

    /// Takes input byte by byte until the header is complete.
    fn resume(&mut self, input: &mut Input<'_>) -> Result<Option<Header>, ProtocolError> {
        while let [byte] = *input.take(1) {
            self.push(byte);
            if let Some((header, _)) = Header::decode(&self.bytes[..usize::from(self.length)])? {
                self.length = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}
