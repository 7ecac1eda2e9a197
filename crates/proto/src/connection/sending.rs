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

/// The sending half: from messages to bytes.
#[derive(Debug)]
pub(super) struct Sending {
    /// There for a client, which masks; not for a server.
    mask_keys: Option<MaskKeys>,
    #[cfg(feature = "deflate")]
    deflater: Option<Box<Deflater>>,
    closed: bool,
    /// Neither masked nor compressed, and not closed: a frame is its header and the payload as it is.
    plain: bool,
}

impl Sending {
    pub(super) const fn new(mask_keys: Option<MaskKeys>) -> Self {
        Self {
            mask_keys,
            #[cfg(feature = "deflate")]
            deflater: None,
            closed: false,
            plain: mask_keys.is_none(),
        }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_deflater(&mut self, deflater: Deflater) {
        self.deflater = Some(Box::new(deflater));
        self.plain = false;
    }

    /// Appends a message.
    #[inline]
    pub(super) fn message(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_open()?;
        let payload = message.as_bytes();
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            if deflater.is_worthwhile(payload.len()) {
                let start = out.len();
                deflater.compress(payload, true, out);
                self.prepend_header(message.kind().opcode(), start, out);
                return Ok(());
            }
        }
        self.frame(message.kind().opcode(), payload, out);
        Ok(())
    }

    /// Appends a message, or only its header, and then says `true`: the payload is to be written right after.
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

    /// Appends a prepared message, or the beginning of its frame, and gives the rest.
    pub(super) fn prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, UsageError> {
        if self.mask_keys.is_some() {
            return self.message(prepared.as_ref(), out).map(|()| None);
        }
        self.check_open()?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            if deflater.is_worthwhile(prepared.len()) {
                // The peer's window moves on by a message that the compressor has not seen, so that nothing sent later may
                // refer to what is in it.
                deflater.release();
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
        self.frame(opcode, payload, out);
        Ok(())
    }

    /// Appends the close frame, after which there is nothing more to send.
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
        self.frame(OpCode::Close, &payload, out);
        self.end();
        Ok(())
    }

    pub(super) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Nothing more is to be sent, not even a close frame.
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

    #[inline]
    fn frame(&self, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        let header = Header::new(opcode, payload.len() as u64);
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

    /// Makes a frame of the compressed payload at the end of `out`, from `start` on. Its length, and so the size of
    /// its header, was not known before.
    #[cfg(feature = "deflate")]
    fn prepend_header(&self, opcode: OpCode, start: usize, out: &mut Vec<u8>) {
        let length = out.len() - start;
        let key = self.mask_keys.map(|mask_keys| mask_keys());
        if let Some(key) = key {
            mask::apply(&mut out[start..], key, 0);
        }
        let header =
            Header { reserved: Reserved::RSV1, mask: key, ..Header::new(opcode, length as u64) };
        header.encode(out);
        let size = out.len() - start - length;
        out[start..].rotate_right(size);
    }
}
