//! Assembly of messages from fragments, or from pieces of a frame that arrives in several reads.

use bytes::Bytes;

use crate::budget::{Charge, MemoryBudget};
use crate::error::ProtocolError;
use crate::message::{Kind, Message};
use crate::text::{Utf8Bytes, Validator};

/// Maximum number of bytes that a header alone reserves, whatever length it announces: a peer must
/// send the data that it wants held. Reserved pages that nothing was written to cost no memory.
/// Chosen to hold most payloads without growing.
const MAX_RESERVE: usize = 1 << 20;

/// Minimum spare capacity for a read of a large payload, in bytes.
const MIN_CAPACITY: usize = 64 * 1024;

/// Size, in bytes, from which on the memory of a message is charged to the budget, so that messages
/// which are only cut by the end of a read are not. Ten thousand connections that stay below it
/// hold 160 MB.
const MIN_CHARGE: usize = 16 * 1024;

/// Size of the decompressor that a compressed message holds, in bytes: see `deflate::pool`.
const WINDOW_SIZE: usize = 46 * 1024;

/// A message that is delivered once it is complete.
#[derive(Debug)]
pub(crate) struct Assembler {
    kind: Kind,
    compressed: bool,
    buffer: Vec<u8>,
    /// Number of bytes of `buffer` that were checked; always all of them between calls.
    checked: usize,
    validator: Validator,
    /// The charge of the message against a budget, from `MIN_CHARGE` bytes on.
    charge: Option<Charge>,
}

impl Assembler {
    pub(crate) fn new(kind: Kind, compressed: bool) -> Self {
        Self {
            kind,
            compressed,
            buffer: Vec::new(),
            checked: 0,
            validator: Validator::new(),
            charge: None,
        }
    }

    /// Returns the length of the message so far, after decompression.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Counts the memory of the message against a budget, from `MIN_CHARGE` bytes on.
    pub(crate) fn charge_to(&mut self, budget: &MemoryBudget) -> Result<(), ProtocolError> {
        let window = if self.compressed { WINDOW_SIZE } else { 0 };
        let held = self.buffer.len() + window;
        if held < MIN_CHARGE {
            return Ok(());
        }
        self.charge.get_or_insert_with(|| budget.charge()).set(held)
    }

    /// Returns the charge of the message, if it has one.
    pub(crate) fn charge(&mut self) -> Option<&mut Charge> {
        self.charge.as_mut()
    }

    /// Reserves capacity for the payload of the next frame, unless it is compressed.
    pub(crate) fn reserve_payload(&mut self, length: usize) {
        if !self.compressed {
            self.reserve(length);
        }
    }

    /// Reserves capacity for a payload of `length` bytes that is about to arrive, and for no more,
    /// so that filling the capacity stays within the payload.
    fn reserve(&mut self, length: usize) {
        // The bound grows with the buffer, so that a long message is not moved for each part of it.
        self.buffer.reserve_exact(length.min(MAX_RESERVE.max(self.buffer.len())));
    }

    /// Returns the buffer for a payload of which `missing` bytes are to come, with enough spare
    /// capacity for a read; `None` if the spare capacity exceeds the payload.
    pub(crate) fn payload_space(&mut self, missing: usize) -> Option<&mut Vec<u8>> {
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
