//! Assembly of messages from fragments, or from pieces of a frame that arrives in several reads.

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::message::{Kind, Message};
use crate::text::{Utf8Bytes, Validator};

/// Maximum number of bytes that a header alone reserves, whatever length it announces: a peer must
/// send the data that it wants held. Reserved pages that nothing was written to cost no memory.
/// Chosen to hold most payloads without growing.
const MAX_RESERVE: usize = 1 << 20;

/// Minimum spare capacity for a read of a large payload, in bytes.
const MIN_CAPACITY: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Assembler {
    kind: Kind,
    buffer: Vec<u8>,
    /// Number of bytes of `buffer` that were checked; always all of them between calls.
    checked: usize,
    validator: Validator,
}

impl Assembler {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, buffer: Vec::new(), checked: 0, validator: Validator::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Reserves capacity for a payload of `length` bytes that is about to arrive, and for no more,
    /// so that filling the capacity stays within the payload.
    pub(crate) fn reserve(&mut self, length: usize) {
        // The bound grows with the buffer, so that a long message is not moved for each part of it.
        self.buffer.reserve_exact(length.min(MAX_RESERVE.max(self.buffer.len())));
    }

    /// Returns the buffer for a payload of which `missing` bytes are to come, with enough spare
    /// capacity for a read; `None` if the spare capacity exceeds the payload.
    pub(crate) fn room(&mut self, missing: usize) -> Option<&mut Vec<u8>> {
        if self.buffer.capacity() - self.buffer.len() < missing.min(MIN_CAPACITY) {
            self.reserve(missing);
        }
        (self.buffer.capacity() - self.buffer.len() <= missing).then_some(&mut self.buffer)
    }

    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        self.buffer.extend_from_slice(payload);
        self.check()
    }

    /// Returns the buffer, for appending to it: [`Assembler::check`] must follow.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Checks the bytes appended since the last call, so that a bad byte is reported when it
    /// arrives.
    pub(crate) fn check(&mut self) -> Result<(), ProtocolError> {
        if self.kind == Kind::Text {
            self.validator
                .push(&self.buffer[self.checked..])
                .map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        self.checked = self.buffer.len();
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Message, ProtocolError> {
        let bytes = Bytes::from(self.buffer);
        Ok(match self.kind {
            Kind::Text => {
                self.validator.finish().map_err(|_| ProtocolError::InvalidUtf8)?;
                Message::Text(Utf8Bytes::from_checked(bytes))
            }
            Kind::Binary => Message::Binary(bytes),
        })
    }
}
