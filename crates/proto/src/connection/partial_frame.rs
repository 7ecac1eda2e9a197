use super::Input;
use super::length::as_usize;
use crate::error::ProtocolError;
use crate::frame::{Header, MAX_HEADER_SIZE};
use crate::mask;

/// The frame of which some bytes, but not all, were taken.
#[derive(Debug, Default)]
pub(super) enum PartialFrame {
    /// The last frame was taken completely.
    #[default]
    None,
    Header(PartialHeader),
    Payload(Box<PartialPayload>),
}

/// The beginning of a header whose rest has not arrived.
#[derive(Debug)]
pub(super) struct PartialHeader {
    bytes: [u8; MAX_HEADER_SIZE],
    length: u8,
}

impl PartialHeader {
    /// Takes all input, which is too short for a header.
    pub(super) fn take(input: &mut Input<'_>) -> Self {
        let mut partial = Self { bytes: [0; MAX_HEADER_SIZE], length: 0 };
        for byte in input.take(MAX_HEADER_SIZE) {
            partial.push(*byte);
        }
        partial
    }

    /// Takes input byte by byte until the header is complete.
    pub(super) fn resume(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<Header>, ProtocolError> {
        while let [byte] = *input.take(1) {
            self.push(byte);
            if let Some((header, _)) = Header::decode(&self.bytes[..usize::from(self.length)])? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.length)] = byte;
        self.length += 1;
    }
}

/// A frame whose header was taken, and whose payload was not taken completely.
#[derive(Debug)]
pub(super) struct PartialPayload {
    pub(super) header: Header,
    /// Number of payload bytes that were taken.
    position: u64,
    /// The payload so far, if the frame is a control frame. The payload of a data frame belongs to
    /// its message.
    pub(super) control: Vec<u8>,
}

impl PartialPayload {
    pub(super) fn new(header: Header) -> Self {
        Self { header, position: 0, control: Vec::new() }
    }

    /// Returns the number of payload bytes that were not taken.
    pub(super) fn missing(&self) -> u64 {
        self.header.length - self.position
    }

    /// Unmasks the next piece of payload.
    pub(super) fn unmask(&mut self, piece: &mut [u8]) {
        if let Some(key) = self.header.mask {
            mask::apply(piece, key, as_usize(self.position % 4));
        }
        self.position += piece.len() as u64;
    }
}
