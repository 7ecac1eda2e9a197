mod fragments;

use bytes::Bytes;

use super::MaskKeys;
use crate::close::CloseFrame;
#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::error::UsageError;
#[cfg(feature = "deflate")]
use crate::frame::Reserved;
use crate::frame::{Header, MAX_CONTROL_LENGTH, MAX_HEADER_SIZE, OpCode};
use crate::mask;
use crate::message::MessageRef;
use crate::prepared::{IN_PLACE_FROM, Prepared};
use fragments::Fragments;

/// The sending half: turns messages into bytes.
#[derive(Debug)]
pub(super) struct Sending {
    /// `Some` for a client, which masks; `None` for a server.
    mask_keys: Option<MaskKeys>,
    #[cfg(feature = "deflate")]
    deflater: Option<Box<Deflater>>,
    closed: bool,
    /// The message in progress, if it is sent in fragments.
    fragments: Option<Box<Fragments>>,
    /// `true` if frames are neither masked nor compressed, no close frame was sent, and no message
    /// is in progress: a frame is then its header and the unchanged payload.
    plain: bool,
}

impl Sending {
    pub(super) const fn new(mask_keys: Option<MaskKeys>) -> Self {
        Self {
            mask_keys,
            #[cfg(feature = "deflate")]
            deflater: None,
            closed: false,
            fragments: None,
            plain: mask_keys.is_none(),
        }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_deflater(&mut self, deflater: Deflater) {
        self.deflater = Some(Box::new(deflater));
        self.plain = false;
    }

    /// Splits off a half that sends messages; `self` continues without compression.
    pub(super) const fn split_off(&mut self) -> Self {
        let half = Self {
            mask_keys: self.mask_keys,
            #[cfg(feature = "deflate")]
            deflater: self.deflater.take(),
            closed: self.closed,
            fragments: self.fragments.take(),
            plain: self.plain,
        };
        self.plain = self.mask_keys.is_none() && !self.closed;
        half
    }

    /// Appends a message.
    #[inline]
    pub(super) fn message(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_idle()?;
        let payload = message.as_bytes();
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            if deflater.is_worthwhile(payload.len()) {
                let start = out.len();
                deflater.compress(payload, true, out);
                let header = Header::new(message.kind().opcode(), 0);
                self.prepend_header(Header { reserved: Reserved::RSV1, ..header }, start, out);
                return Ok(());
            }
        }
        self.frame(Header::new(message.kind().opcode(), payload.len() as u64), payload, out);
        Ok(())
    }

    /// Appends a message, or only its header: then returns `true`, and the payload must be written
    /// right after it.
    #[inline]
    pub(super) fn in_place(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        if !self.plain {
            return self.message(message, out).map(|()| false);
        }
        let payload = message.as_bytes();
        let in_place = payload.len() >= IN_PLACE_FROM;
        Header::new(message.kind().opcode(), payload.len() as u64).encode(out);
        if !in_place {
            out.extend_from_slice(payload);
        }
        Ok(in_place)
    }

    /// Appends a binary message whose payload is `head` and `rest`, or only its header and `head`:
    /// then returns `true`, and `rest` must be written right after them.
    pub(super) fn in_place_after(
        &mut self,
        head: &[u8],
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        let header = Header::new(OpCode::Binary, (head.len() + rest.len()) as u64);
        if self.plain {
            let in_place = rest.len() >= IN_PLACE_FROM;
            header.encode(out);
            out.extend_from_slice(head);
            if !in_place {
                out.extend_from_slice(rest);
            }
            return Ok(in_place);
        }
        #[cfg(feature = "deflate")]
        if self.deflater.is_some() {
            let payload = [head, rest].concat();
            return self.message(MessageRef::Binary(&payload), out).map(|()| false);
        }
        self.check_idle()?;
        out.reserve(MAX_HEADER_SIZE + head.len() + rest.len());
        let mask = self.mask_keys.map(|mask_keys| mask_keys());
        Header { mask, ..header }.encode(out);
        let start = out.len();
        out.extend_from_slice(head);
        out.extend_from_slice(rest);
        if let Some(key) = mask {
            mask::apply(&mut out[start..], key, 0);
        }
        Ok(false)
    }

    /// Appends a prepared message, or the beginning of its frame, and returns the rest.
    pub(super) fn prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, UsageError> {
        if self.mask_keys.is_some() {
            return self.message(prepared.as_ref(), out).map(|()| None);
        }
        self.check_idle()?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            if deflater.is_worthwhile(prepared.len()) {
                // The peer's window then holds a message that the compressor has not seen, so later
                // messages must not refer to the window's content.
                deflater.reset_context();
                return Ok(prepared.compressed(deflater, out));
            }
        }
        Ok(prepared.plain(out))
    }

    /// Appends a ping or a pong.
    pub(super) fn control(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_open()?;
        if payload.len() > MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: payload.len() });
        }
        self.frame(Header::new(opcode, payload.len() as u64), payload, out);
        Ok(())
    }

    /// Appends the close frame, after which nothing more is sent.
    pub(super) fn close(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_open()?;
        let mut payload = Vec::new();
        if let Some(frame) = frame {
            frame.check()?;
            frame.encode(&mut payload);
        }
        self.frame(Header::new(OpCode::Close, payload.len() as u64), &payload, out);
        self.end();
        Ok(())
    }

    pub(super) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Ends the sending half: nothing more is sent, not even a close frame.
    pub(super) const fn end(&mut self) {
        self.closed = true;
        self.plain = false;
    }

    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    //# The application MUST NOT send any more data frames after sending a
    //# Close frame.
    fn check_open(&self) -> Result<(), UsageError> {
        if self.closed { Err(UsageError::Closing) } else { Ok(()) }
    }

    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.4
    //# The fragments of one message MUST NOT be interleaved between the
    //# fragments of another message unless an extension has been
    //# negotiated that can interpret the interleaving.
    #[inline]
    fn check_idle(&self) -> Result<(), UsageError> {
        self.check_open()?;
        if self.fragments.is_some() { Err(UsageError::MessageInProgress) } else { Ok(()) }
    }

    #[inline]
    fn frame(&self, header: Header, payload: &[u8], out: &mut Vec<u8>) {
        out.reserve(MAX_HEADER_SIZE + payload.len());
        let Some(mask_keys) = self.mask_keys else {
            header.encode(out);
            out.extend_from_slice(payload);
            return;
        };
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.3
        //# The masking key needs to be unpredictable; thus, the masking key
        //# MUST be derived from a strong source of entropy
        let key = mask_keys();
        header.masked(key).encode(out);
        mask::extend(out, payload, key);
    }

    /// Makes a frame of the compressed payload at the end of `out`, from `start` on. Its length,
    /// and so the size of its header, was not known before.
    #[cfg(feature = "deflate")]
    fn prepend_header(&self, header: Header, start: usize, out: &mut Vec<u8>) {
        let length = out.len() - start;
        let mask = self.mask_keys.map(|mask_keys| mask_keys());
        if let Some(key) = mask {
            mask::apply(&mut out[start..], key, 0);
        }
        Header { mask, length: length as u64, ..header }.encode(out);
        let size = out.len() - start - length;
        out[start..].rotate_right(size);
    }
}
