//! The messages of the subprotocol `sockeye.grpc.v1`, as `docs/grpc-websocket-protocol.md` defines
//! them.

mod client;
mod error;
mod metadata;
mod server;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use sockeye::Utf8Bytes;

pub use self::client::{CallStart, ClientFrame};
pub use self::error::{CallFault, FrameError};
use self::metadata::metadata_json;
pub use self::server::{CallEnd, ServerFrame};

/// The credit of both directions of a call at its beginning, in bytes, unless the start of the call
/// says otherwise. Chosen: the initial window of HTTP/2 (RFC 9113 section 6.9.2), rounded.
pub const INITIAL_CREDIT: u64 = 65_536;

/// The maximum of a credit and of a timeout: 2⁵³ − 1, the greatest integer that every reader of
/// JSON has.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The flag of a binary message after which the client sends no more.
const HALF_CLOSE: u8 = 0x01;

/// The length of flags and id, in bytes.
const BINARY_HEADER: usize = 5;

/// A message of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallMessage {
    /// One JSON value, in a text message.
    Json(Utf8Bytes),
    /// The wire format, in a binary message.
    Proto(Bytes),
}

impl CallMessage {
    /// Returns the length, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.len(),
            Self::Proto(wire) => wire.len(),
        }
    }

    /// Returns whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Encodes a message for a binary WebSocket message.
///
/// ```text
///  0       1       5
///  ┌───────┬───────┬──────── ─ ─ ──┐
///  │ flags │  id   │ the message   │    the id is unsigned and big-endian
///  └───────┴───────┴──────── ─ ─ ──┘
/// ```
fn encode_binary(id: u32, wire: &[u8], flags: u8) -> sockeye::Message {
    let mut out = BytesMut::with_capacity(BINARY_HEADER + wire.len());
    out.put_u8(flags);
    out.put_u32(id);
    out.put_slice(wire);
    out.freeze().into()
}

/// Decodes a JSON object. `None` for other JSON: serde would take a list for the fields in order.
fn decode_object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    if json.trim_start().starts_with('{') { serde_json::from_str(json).ok() } else { None }
}

/// Decodes the header of a binary message, and returns flags and id.
fn decode_binary(payload: &mut Bytes, known_flags: u8) -> Result<(u8, u32), FrameError> {
    if payload.len() < BINARY_HEADER {
        return Err(FrameError::TooShort);
    }
    let flags = payload.get_u8();
    if flags & !known_flags != 0 {
        return Err(FrameError::UnknownFlags { flags });
    }
    let id = payload.get_u32();
    if id == 0 { Err(FrameError::InvalidId) } else { Ok((flags, id)) }
}
