//! The two forms of a record.

use bytes::{Buf, Bytes, BytesMut};

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

    /// Removes the next record from the input; `None` if bytes are missing.
    ///
    /// # Errors
    /// [`Violation::RecordTooLong`] as soon as the size is known.
    pub fn decode(&self, input: &mut BytesMut) -> Result<Option<Bytes>, Violation> {
        let Some((length, prefix)) = varint::peek(input) else { return Ok(None) };
        check_length(length, self.limit)?;
        // The limit fits 32 bits.
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if input.len() - prefix < length {
            return Ok(None);
        }
        input.advance(prefix);
        Ok(Some(input.split_to(length).freeze()))
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
