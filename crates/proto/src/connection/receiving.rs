use std::borrow::Cow;
use std::mem;

use bytes::BufMut;
use bytes::buf::Limit;

use super::length::as_usize;
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

/// Number of missing payload bytes from which on a separate read into the payload's final place
/// pays off. Below it, the copy costs less than that read, since a read into the shared buffer may
/// bring the next frames too.
const MIN_DIRECT_READ: u64 = 16 * 1024;

/// Size, in bytes, from which on the memory of a message is charged to the budget, so that messages
/// which are only cut by the end of a read are not. Ten thousand connections that stay below it
/// hold 160 MB.
const MIN_CHARGE: usize = 16 * 1024;

/// Size of the decompressor that a compressed message holds, in bytes: see `deflate::pool`.
const WINDOW_SIZE: usize = 46 * 1024;

/// The receiving half: turns bytes into events.
///
/// Keeps the received part of an incomplete frame: the beginning of a header inline, the beginning
/// of a payload in `message` or, for a control frame, in `frame`. Between messages, only the
/// inflater is on the heap.
#[derive(Debug)]
pub(super) struct Receiving {
    role: Role,
    max_frame_length: u64,
    max_message_length: usize,
    max_streamed_length: u64,
    /// Length, in bytes, below which a payload may take the fast path (`whole_message`). In four
    /// bytes, since every idle connection holds it.
    fast_path_limit: u32,
    report_frames: bool,
    /// `true` if the next message is delivered in pieces.
    streaming: bool,
    partial: PartialHeader,
    frame: Option<Box<Frame>>,
    /// At most one of `message` and `streamed` is `Some`.
    message: Option<Box<Message>>,
    streamed: Option<Box<Streamed>>,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// A frame whose payload has not fully arrived.
#[derive(Debug)]
struct Frame {
    header: Header,
    /// Number of payload bytes that were taken.
    position: u64,
    /// The payload so far, if the frame is a control frame.
    control: Vec<u8>,
}

/// A message of which some frame, or part of one, was taken.
#[derive(Debug)]
struct Message {
    assembler: Assembler,
    compressed: bool,
    /// The charge of the message against a budget, from `MIN_CHARGE` bytes on.
    charge: Option<Charge>,
}

impl Receiving {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        let mut receiving = Self {
            role,
            fast_path_limit: 0,
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
        receiving.update_fast_path();
        receiving
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_inflater(&mut self, inflater: Inflater) {
        self.inflater = Some(Box::new(inflater));
    }

    /// Sets whether messages that begin from now on are delivered in pieces.
    pub(super) fn set_streaming(&mut self, streaming: bool) {
        self.streaming = streaming;
        self.update_fast_path();
    }

    /// Enables the fast path, or disables it where it would skip an event.
    fn update_fast_path(&mut self) {
        let closed = self.report_frames || self.streaming || self.streamed.is_some();
        let longest = self.max_message_length.min(as_usize(self.max_frame_length));
        let below = u32::try_from(longest.saturating_add(1)).unwrap_or(u32::MAX);
        self.fast_path_limit = if closed { 0 } else { below };
    }

    /// Returns whether a header, a frame or an assembled message is incomplete.
    #[inline]
    pub(super) fn is_mid_message(&self) -> bool {
        self.message.is_some() || self.frame.is_some() || !self.partial.is_empty()
    }

    /// Returns whether part of a message is held until the rest arrives.
    pub(super) fn is_assembling(&self) -> bool {
        self.message.is_some() || (self.frame.is_some() && self.streamed.is_none())
    }

    /// Drops the message in progress.
    pub(super) fn abandon(&mut self) {
        self.message = None;
        self.frame = None;
    }

    /// Counts the memory of the message in progress against a budget, from `MIN_CHARGE` bytes on.
    pub(super) fn charge(&mut self, budget: &MemoryBudget) -> Result<(), ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        let window = if message.compressed { WINDOW_SIZE } else { 0 };
        let held = message.assembler.len() + window;
        if held < MIN_CHARGE {
            return Ok(());
        }
        message.charge.get_or_insert_with(|| budget.charge()).set(held)
    }

    /// Returns the charge of the message in progress, if it has one.
    pub(super) fn message_charge(&mut self) -> Option<&mut Charge> {
        self.message.as_mut()?.charge.as_mut()
    }

    /// Handles the usual case by the fast path: a complete message in one frame whose header breaks
    /// no rule. Returns `None` if nothing was taken and [`Receiving::next`] must look at the input.
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
        let is_short = payload.len() < self.fast_path_limit as usize;
        if key.is_some() != (self.role == Role::Server) || !is_short {
            return None;
        }
        let payload = &mut input.take(payload.end)[payload.start..];
        if let Some(key) = key {
            mask::apply(payload, key, 0);
        }
        Some(message(opcode, payload))
    }

    /// Returns whether no received data is kept.
    pub(super) fn is_between_messages(&self) -> bool {
        self.partial.is_empty() && self.frame.is_none() && self.in_progress().is_none()
    }

    /// Returns the next event, or `None` when all input was taken.
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

    /// Returns the buffer for the rest of a large payload, if one is in progress.
    pub(super) fn payload_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let frame = self.frame.as_ref()?;
        let missing = frame.header.length - frame.position;
        let message = self.message.as_mut()?;
        if frame.header.opcode.is_control() || message.compressed || missing < MIN_DIRECT_READ {
            return None;
        }
        let missing = as_usize(missing);
        Some(message.assembler.room(missing)?.limit(missing))
    }

    /// Takes the last `length` bytes of the payload space, which the driver has filled.
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

    /// Checks the rules on a header and on its place in the sequence of frames.
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

    /// Returns the length of the message in progress so far, in bytes, and whether it is
    /// compressed.
    #[inline]
    fn in_progress(&self) -> Option<(u64, bool)> {
        match (&self.message, &self.streamed) {
            (Some(message), _) => Some((message.assembler.len() as u64, message.compressed)),
            (None, Some(streamed)) => Some((streamed.length(), streamed.is_compressed())),
            (None, None) => None,
        }
    }

    /// Returns whether a data frame belongs to a message that is delivered in pieces.
    #[inline]
    fn streams(&self) -> bool {
        self.streamed.is_some() || (self.streaming && self.message.is_none())
    }

    /// Returns whether RSV1 alone is set, in a frame where it means a compressed message.
    #[cfg(feature = "deflate")]
    fn may_be_compressed(&self, header: &Header) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc7692#section-6.1
        //# An endpoint MUST NOT set the "Per-Message Compressed" bit of control
        //# frames and non-first fragments of a data message.
        self.inflater.is_some()
            && header.reserved == Reserved::RSV1
            && matches!(header.opcode, OpCode::Text | OpCode::Binary)
    }

    /// Takes a frame whose payload is complete in the input.
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

    /// Records a frame whose payload is still to be taken.
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

    /// Takes the available part of the payload in progress.
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

    /// Returns the message that a data frame belongs to; the first frame creates it.
    fn open(&mut self, header: &Header) -> &mut Message {
        self.message.get_or_insert_with(|| {
            Box::new(Message {
                assembler: Assembler::new(kind(header)),
                compressed: header.reserved == Reserved::RSV1,
                charge: None,
            })
        })
    }

    /// Creates the message that is delivered in pieces, if `header` is its first frame.
    fn stream(&mut self, header: &Header) {
        if self.streamed.is_none() {
            let compressed = header.reserved == Reserved::RSV1;
            let streamed = Streamed::new(kind(header), compressed, self.max_streamed_length);
            self.streamed = Some(Box::new(streamed));
            self.update_fast_path();
        }
    }

    /// Returns the next available event of the message that is delivered in pieces.
    fn poll_streamed(&mut self) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(streamed) = &mut self.streamed else { return Ok(None) };
        #[cfg(feature = "deflate")]
        let event = streamed.poll(self.inflater.as_deref_mut())?;
        #[cfg(not(feature = "deflate"))]
        let event = streamed.poll()?;
        if matches!(event, Some(Event::End)) {
            self.streamed = None;
            self.update_fast_path();
        }
        Ok(event)
    }

    /// Appends a piece of payload to the message in progress; `last` is `true` if the message ends
    /// with it.
    fn append(&mut self, payload: &[u8], last: bool) -> Result<(), ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        #[cfg(feature = "deflate")]
        if let (true, Some(inflater)) = (message.compressed, &mut self.inflater) {
            let buffer = message.assembler.buffer();
            let inflated = inflater.inflate(payload, last, buffer, self.max_message_length);
            // The output before an error is checked first: how the payload was cut must not decide
            // which of two errors is reported.
            return message.assembler.check().and(inflated);
        }
        let _ = last;
        message.assembler.push(payload)
    }

    /// Returns the event for a complete control frame.
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

    /// Finishes the message in progress.
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

/// Returns the message for a complete payload.
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

/// Returns the kind of the message that begins with a frame.
fn kind(header: &Header) -> Kind {
    match header.opcode {
        OpCode::Text => Kind::Text,
        _ => Kind::Binary,
    }
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
