//! Messages, the unit that applications exchange.

mod conversions;
#[cfg(feature = "json")]
mod json;

use std::fmt;

use bytes::Bytes;

use crate::frame::OpCode;
use crate::text::Utf8Bytes;
#[cfg(feature = "json")]
pub use json::JsonError;

/// A message with an owned payload. A clone costs a reference count.
///
/// The payload of a received message may share its buffer with the messages that arrived beside it.
/// To keep a small message for long, copy it: `Bytes::copy_from_slice(message.as_bytes())`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, valid UTF-8.
    Text(Utf8Bytes),
    /// Bytes that the protocol does not interpret.
    Binary(Bytes),
}

impl Message {
    /// Returns whether the message is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// Returns the payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text, or `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the text, without a copy, or `None` if the message is binary. `String::from` copies
    /// the text out of the shared buffer.
    pub fn into_text(self) -> Option<Utf8Bytes> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the message, borrowed.
    pub fn as_ref(&self) -> MessageRef<'_> {
        match self {
            Self::Text(text) => MessageRef::Text(text),
            Self::Binary(bytes) => MessageRef::Binary(bytes),
        }
    }

    /// Returns the payload's length, in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

/// Displays a text unchanged, and a binary message as its length.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// A message with a borrowed payload, from the input it was decoded from or from a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRef<'a> {
    /// Text, valid UTF-8.
    Text(&'a str),
    /// Bytes that the protocol does not interpret.
    Binary(&'a [u8]),
}

impl<'a> MessageRef<'a> {
    /// Returns whether the message is text or binary.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// Returns the payload.
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text, or `None` if the message is binary.
    pub const fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

/// Displays a text unchanged, and a binary message as its length.
impl fmt::Display for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Binary(bytes) => write!(f, "({} bytes)", bytes.len()),
        }
    }
}

/// The two kinds of message (RFC 6455 section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

impl Kind {
    /// Returns the opcode of a message's first frame.
    pub const fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }
}

/// A message that [`Connection::receive`](crate::Connection::receive) returns: borrowed from the
/// input if it was complete there in one frame, owned if it was assembled or decompressed.
#[derive(Debug)]
pub enum MessageCow<'a> {
    /// Borrowed from the input.
    Borrowed(MessageRef<'a>),
    /// Assembled or decompressed.
    Owned(Message),
}

impl MessageCow<'_> {
    /// Returns the message, borrowed.
    #[inline]
    pub fn as_ref(&self) -> MessageRef<'_> {
        match self {
            Self::Borrowed(message) => *message,
            Self::Owned(message) => message.as_ref(),
        }
    }

    /// Returns the message, owned: a borrowed one is copied.
    pub fn into_owned(self) -> Message {
        match self {
            Self::Borrowed(message) => message.into(),
            Self::Owned(message) => message,
        }
    }
}
