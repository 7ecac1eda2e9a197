//! The two forms of a record.

use std::ops::Deref;

use bytes::{Buf, Bytes};

use super::{Violation, varint};

/// The form of the records of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A record is a message of the transport, such as a binary message of a WebSocket.
    Messages,
    /// Each record begins with its size, on a byte stream.
    ByteStream,
}

/// Divides the input of a byte stream into records.
///
/// Memory is allocated for input only, not for the size that a record states.
#[derive(Debug)]
pub struct RecordDecoder {
    limit: u64,
}

impl RecordDecoder {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit }
    }

    /// Removes the next record from the input, without a copy from [`Bytes`] and
    /// [`BytesMut`](bytes::BytesMut); `None` if bytes are missing.
    ///
    /// # Errors
    /// [`Violation::RecordTooLong`] as soon as the size is known.
    pub fn decode<B>(&self, input: &mut B) -> Result<Option<Bytes>, Violation>
    where
        B: Buf + Deref<Target = [u8]>,
    {
        let Some((length, prefix)) = varint::peek(input) else { return Ok(None) };
        check_length(length, self.limit)?;
        // The limit fits 32 bits.
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if input.len() - prefix < length {
            return Ok(None);
        }
        input.advance(prefix);
        Ok(Some(input.copy_to_bytes(length)))
    }

    /// Returns how many bytes the next record needs that the input does not have, as far as that is
    /// known: at least 1 if [`decode`](Self::decode) returns `None`.
    pub fn missing(&self, input: &[u8]) -> usize {
        match varint::peek(input) {
            Some((length, prefix)) => {
                let length = usize::try_from(length.min(self.limit)).unwrap_or(usize::MAX);
                length.saturating_add(prefix).saturating_sub(input.len())
            }
            None => 1,
        }
    }
}

//= https://www.ietf.org/archive/id/draft-ietf-quic-qmux-02.html
//# When receiving a QMux Record with a Frames field that exceeds the declared
//# maximum, receivers MUST close the connection with an error of type
//# FRAME_ENCODING_ERROR.
pub(super) const fn check_length(length: u64, limit: u64) -> Result<(), Violation> {
    if length > limit { Err(Violation::RecordTooLong { length, limit }) } else { Ok(()) }
}

/// Returns a record as the transport takes it.
pub(super) fn finish(record: Vec<u8>, framing: Framing) -> Bytes {
    match framing {
        Framing::Messages => record.into(),
        Framing::ByteStream => {
            let mut bytes = Vec::with_capacity(record.len() + 8);
            varint::put(record.len() as u64, &mut bytes);
            bytes.extend_from_slice(&record);
            bytes.into()
        }
    }
}
