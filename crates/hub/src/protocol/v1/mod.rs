//! The protocol `sockeye.hub.v1`: see `docs/hub-protocol.md`, which defines each message.
//!
//! | file | |
//! |---|---|
//! | `message.rs` | the messages |
//! | `json.rs`, `binary.rs` | their encodings |
//! | `field.rs` | the types of their fields |
//! | `filter.rs` | the JSON of filters |
//! | `encoder.rs` | publications and notices of the hub as messages |
//! | `serve.rs` | commands as operations of a client |

mod binary;
#[cfg(not(target_family = "wasm"))]
mod encoder;
mod field;
mod filter;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod json;
pub(crate) mod message;
#[cfg(not(target_family = "wasm"))]
mod serve;
#[cfg(test)]
mod tests;

use std::fmt;

use sockeye::Message;

#[cfg(not(target_family = "wasm"))]
use encoder::encoder;
#[cfg(feature = "client")]
pub(crate) use field::Payload;
pub(crate) use field::{AsText, Json};
#[cfg(feature = "client")]
pub(crate) use filter::FilterField;
#[cfg(not(target_family = "wasm"))]
pub(crate) use serve::serve;

use crate::protocol::Refusal;
use message::Body;

/// The encoding of the messages of a connection, which its subprotocol decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Binary,
}

/// A message and the id that relates a reply to its command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Envelope<T> {
    pub(crate) id: Option<u64>,
    pub(crate) body: T,
}

/// A message is not one of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable {
    /// The id of the message, if that could be read.
    pub(crate) id: Option<u64>,
    pub(crate) refusal: Refusal,
}

impl Encoding {
    /// The subprotocol of the encoding.
    #[cfg(feature = "client")]
    pub(crate) const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "sockeye.hub.v1",
            Self::Binary => "sockeye.hub.v1.binary",
        }
    }

    /// Encodes a message, with an id if it is a command or a reply.
    pub(crate) fn encode<T: Body>(self, id: Option<u64>, body: &T) -> Message {
        match self {
            Self::Json => json::encode(id, body).into(),
            Self::Binary => Message::Binary(binary::encode(id, body)),
        }
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// For a message of the other encoding, and for one that is malformed or unknown.
    pub(crate) fn decode<T: Body>(self, message: &Message) -> Result<Envelope<T>, Undecodable> {
        match (self, message) {
            (Self::Json, Message::Text(text)) => json::decode(text),
            (Self::Binary, Message::Binary(bytes)) => binary::decode(bytes.clone()),
            (Self::Json, _) => Err(Undecodable::new(None, "expected a text message")),
            (Self::Binary, _) => Err(Undecodable::new(None, "expected a binary message")),
        }
    }
}

impl Undecodable {
    /// Returns whether the message may be one of a later version of the protocol.
    #[cfg(feature = "client")]
    pub(crate) fn is_unknown(&self) -> bool {
        self.refusal.code == Refusal::METHOD_NOT_FOUND.code
    }

    fn new(id: Option<u64>, message: impl Into<String>) -> Self {
        Self { id, refusal: Refusal::BAD_REQUEST.because(message.into()) }
    }

    fn unknown(id: Option<u64>, message: impl Into<String>) -> Self {
        Self { id, refusal: Refusal::METHOD_NOT_FOUND.because(message.into()) }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}
