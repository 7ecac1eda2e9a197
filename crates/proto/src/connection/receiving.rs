use std::borrow::Cow;
use std::mem;

use bytes::BufMut;
use bytes::buf::Limit;

use super::length::as_usize;
use super::partial_frame::{PartialFrame, PartialHeader, PartialPayload};
use super::streamed::Streamed;
use super::{Config, Event, Input, Role};
use crate::assembler::Assembler;
use crate::budget::{Charge, MemoryBudget};
use crate::close::CloseFrame;
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{Header, OpCode, Reserved};
use crate::mask;
use crate::message::{Kind, MessageCow, MessageRef};

/// Number of missing payload bytes from which on a separate read into the payload's final place
/// pays off. Below it, the copy costs less than that read, since a read into the shared buffer may
/// bring the next frames too.
const MIN_DIRECT_READ: u64 = 16 * 1024;

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
    frame: PartialFrame,
    message: PartialMessage,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// The message of which some frame, or part of one, was taken.
///
/// ```text
///              first frame                   last frame
/// ──► None ──┬───────────────► Assembled ──┬────────────► None
///            └───────────────► Streamed ───┘
///              first frame, while messages are streamed
/// ```
#[derive(Debug, Default)]
enum PartialMessage {
    /// The connection is between messages.
    #[default]
    None,
    /// The message is delivered once it is complete.
    Assembled(Box<Assembler>),
    /// The message is delivered in pieces.
    Streamed(Box<Streamed>),
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
            frame: PartialFrame::None,
            message: PartialMessage::None,
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
        let closed = self.report_frames || self.streaming;
        let longest = self.max_message_length.min(as_usize(self.max_frame_length));
        let below = u32::try_from(longest.saturating_add(1)).unwrap_or(u32::MAX);
        self.fast_path_limit = if closed { 0 } else { below };
    }

    /// Returns whether no part of a frame or message is held.
    #[inline]
    pub(super) fn is_between_messages(&self) -> bool {
        matches!((&self.frame, &self.message), (PartialFrame::None, PartialMessage::None))
    }

    /// Returns whether part of a message, or of a control frame between messages, is held until the
    /// rest arrives.
    pub(super) fn is_assembling(&self) -> bool {
        match self.message {
            PartialMessage::None => matches!(self.frame, PartialFrame::Payload(_)),
            PartialMessage::Assembled(_) => true,
            PartialMessage::Streamed(_) => false,
        }
    }

    /// Drops the message in progress.
    pub(super) fn abandon(&mut self) {
        self.message = PartialMessage::None;
        self.frame = PartialFrame::None;
    }

    /// Counts the memory of the message in progress against a budget.
    pub(super) fn charge(&mut self, budget: &MemoryBudget) -> Result<(), ProtocolError> {
        match &mut self.message {
            PartialMessage::Assembled(message) => message.charge_to(budget),
            PartialMessage::None | PartialMessage::Streamed(_) => Ok(()),
        }
    }

    /// Returns the charge of the message in progress, if it has one.
    pub(super) fn message_charge(&mut self) -> Option<&mut Charge> {
        match &mut self.message {
            PartialMessage::Assembled(message) => message.charge(),
            PartialMessage::None | PartialMessage::Streamed(_) => None,
        }
    }

    /// Handles the usual case by the fast path: a complete message in one frame whose header breaks
    /// no rule. Returns `None` if nothing was taken and [`Receiving::next`] must process the input.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "as of its one caller: the call costs 14 instructions of 570 a message"
    )]
    pub(super) fn whole_message<'a>(
        &mut self,
        input: &mut Input<'a>,
    ) -> Option<Result<MessageRef<'a>, ProtocolError>> {
        if !self.is_between_messages() {
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

    /// Returns the next event, or `None` when all input was taken.
    pub(super) fn next<'a>(
        &mut self,
        input: &mut Input<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        loop {
            if let Some(event) = self.poll_streamed()? {
                return Ok(Some(event));
            }
            let event = if let PartialFrame::Payload(frame) = &self.frame {
                if input.is_empty() && frame.missing() > 0 {
                    return Ok(None);
                }
                self.resume(input)?
            } else {
                let Some(header) = self.take_header(input)? else { return Ok(None) };
                self.check(&header)?;
                if self.report_frames {
                    self.begin(header);
                    return Ok(Some(Event::Frame(header)));
                }
                let streams = self.streams() && !header.opcode.is_control();
                if header.length <= input.len() as u64 && !streams {
                    self.take_whole_frame(&header, input)?
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
        let (frame, message) = self.payload()?;
        let missing = frame.missing();
        if frame.header.opcode.is_control() || message.is_compressed() || missing < MIN_DIRECT_READ
        {
            return None;
        }
        let missing = as_usize(missing);
        Some(message.payload_space(missing)?.limit(missing))
    }

    /// Takes the last `length` bytes of the payload space, which the driver has filled.
    pub(super) fn payload_read(
        &mut self,
        length: usize,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some((frame, message)) = self.payload() else { return Ok(None) };
        let buffer = message.buffer();
        let start = buffer.len().saturating_sub(length);
        frame.unmask(&mut buffer[start..]);
        message.check()?;
        if frame.missing() > 0 {
            return Ok(None);
        }
        let fin = frame.header.fin;
        self.frame = PartialFrame::None;
        if fin { self.finish() } else { Ok(None) }
    }

    /// Returns the frame whose payload is in progress, and the message that is assembled.
    fn payload(&mut self) -> Option<(&mut PartialPayload, &mut Assembler)> {
        match (&mut self.frame, &mut self.message) {
            (PartialFrame::Payload(frame), PartialMessage::Assembled(message)) => {
                Some((frame, message))
            }
            _ => None,
        }
    }

    /// Takes a header, or keeps the beginning of one.
    #[inline]
    fn take_header(&mut self, input: &mut Input<'_>) -> Result<Option<Header>, ProtocolError> {
        if let PartialFrame::Header(partial) = &mut self.frame {
            let header = partial.resume(input)?;
            if header.is_some() {
                self.frame = PartialFrame::None;
            }
            return Ok(header);
        }
        if let Some((header, size)) = Header::decode(input.as_bytes())? {
            input.take(size);
            return Ok(Some(header));
        }
        if !input.is_empty() {
            self.frame = PartialFrame::Header(PartialHeader::take(input));
        }
        Ok(None)
    }

    /// Checks the rules on a header and on its position in the sequence of frames.
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
        let (length_so_far, compressed) = match (self.in_progress(), opcode) {
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
        if !compressed && length > limit.saturating_sub(length_so_far) {
            return Err(ProtocolError::MessageTooLong { limit: as_usize(limit) });
        }
        Ok(())
    }

    /// Returns the length of the message in progress so far, in bytes, and whether it is
    /// compressed.
    #[inline]
    fn in_progress(&self) -> Option<(u64, bool)> {
        match &self.message {
            PartialMessage::None => None,
            PartialMessage::Assembled(message) => {
                Some((message.len() as u64, message.is_compressed()))
            }
            PartialMessage::Streamed(message) => Some((message.length(), message.is_compressed())),
        }
    }

    /// Returns whether a data frame belongs to a message that is delivered in pieces.
    #[inline]
    fn streams(&self) -> bool {
        match self.message {
            PartialMessage::None => self.streaming,
            PartialMessage::Assembled(_) => false,
            PartialMessage::Streamed(_) => true,
        }
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
    fn take_whole_frame<'a>(
        &mut self,
        header: &Header,
        input: &mut Input<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let payload = input.take(as_usize(header.length));
        if let Some(key) = header.mask {
            mask::apply(payload, key, 0);
        }
        if header.opcode.is_control() {
            return self.control_event(header.opcode, Cow::Borrowed(payload)).map(Some);
        }
        let is_unfragmented = header.fin && matches!(self.message, PartialMessage::None);
        if is_unfragmented && header.reserved == Reserved::NONE {
            let message = message(header.opcode, payload)?;
            return Ok(Some(Event::Message(MessageCow::Borrowed(message))));
        }
        self.open(header);
        self.append(payload, header.fin)
    }

    /// Records a frame whose payload is still to be taken.
    fn begin(&mut self, header: Header) {
        if !header.opcode.is_control() {
            self.open(&header);
            if let PartialMessage::Assembled(message) = &mut self.message {
                message.reserve_payload(as_usize(header.length));
            }
        }
        self.frame = PartialFrame::Payload(Box::new(PartialPayload::new(header)));
    }

    /// Creates the message of a data frame, if the frame is its first.
    fn open(&mut self, header: &Header) {
        if !matches!(self.message, PartialMessage::None) {
            return;
        }
        let (kind, compressed) = (kind(header), header.reserved == Reserved::RSV1);
        self.message = if self.streaming {
            let streamed = Streamed::new(kind, compressed, self.max_streamed_length);
            PartialMessage::Streamed(Box::new(streamed))
        } else {
            PartialMessage::Assembled(Box::new(Assembler::new(kind, compressed)))
        };
    }

    /// Takes the available part of the payload in progress.
    fn resume<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let PartialFrame::Payload(frame) = &mut self.frame else { return Ok(None) };
        let payload = input.take(as_usize(frame.missing()));
        frame.unmask(payload);
        let Header { opcode, fin, .. } = frame.header;
        let complete = frame.missing() == 0;
        if opcode.is_control() {
            frame.control.extend_from_slice(payload);
            if !complete {
                return Ok(None);
            }
            let payload = mem::take(&mut frame.control);
            self.frame = PartialFrame::None;
            return self.control_event(opcode, Cow::Owned(payload)).map(Some);
        }
        if complete {
            self.frame = PartialFrame::None;
        }
        self.append(payload, complete && fin)
    }

    /// Returns the next available event of the message that is delivered in pieces.
    fn poll_streamed(&mut self) -> Result<Option<Event<'static>>, ProtocolError> {
        let PartialMessage::Streamed(streamed) = &mut self.message else { return Ok(None) };
        #[cfg(feature = "deflate")]
        let event = streamed.poll(self.inflater.as_deref_mut())?;
        #[cfg(not(feature = "deflate"))]
        let event = streamed.poll()?;
        if matches!(event, Some(Event::End)) {
            self.message = PartialMessage::None;
        }
        Ok(event)
    }

    /// Appends a piece of payload to the message in progress, which ends with it if it is the
    /// `last`.
    fn append<'a>(
        &mut self,
        payload: &'a [u8],
        last: bool,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let message = match &mut self.message {
            PartialMessage::None => return Ok(None),
            PartialMessage::Assembled(message) => message,
            PartialMessage::Streamed(message) => return Ok(message.take(payload, last)),
        };
        #[cfg(feature = "deflate")]
        let appended = match &mut self.inflater {
            Some(inflater) if message.is_compressed() => {
                let (buffer, limit) = (message.buffer(), self.max_message_length);
                let decompressed = inflater.inflate(payload, last, buffer, limit);
                // The output before an error is checked first: how the payload was cut must not
                // decide which of two errors is reported.
                message.check().and(decompressed)
            }
            _ => message.push(payload),
        };
        #[cfg(not(feature = "deflate"))]
        let appended = message.push(payload);
        appended?;
        if last { self.finish() } else { Ok(None) }
    }

    /// Returns the event for a complete control frame.
    fn control_event<'a>(
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

    /// Finishes the message that is assembled.
    fn finish<'a>(&mut self) -> Result<Option<Event<'a>>, ProtocolError> {
        let PartialMessage::Assembled(message) = mem::take(&mut self.message) else {
            return Ok(None);
        };
        Ok(Some(Event::Message(MessageCow::Owned(message.finish()?))))
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
