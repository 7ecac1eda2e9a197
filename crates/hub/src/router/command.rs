use std::fmt;

use sockeye::Utf8Bytes;

/// The name of a command or an event: a text, or a number where the [codec](super::codec) has
/// numbers. `Router::on` takes either: `.on("listUsers", …)`, `.on(7, …)`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CommandName {
    /// A text. Case is significant.
    Text(Utf8Bytes),
    /// A number, such as the type of a packet.
    Number(u32),
}

impl From<&str> for CommandName {
    fn from(name: &str) -> Self {
        Self::Text(name.into())
    }
}

impl From<String> for CommandName {
    fn from(name: String) -> Self {
        Self::Text(name.into())
    }
}

impl From<Utf8Bytes> for CommandName {
    fn from(name: Utf8Bytes) -> Self {
        Self::Text(name)
    }
}

impl From<u32> for CommandName {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl PartialEq<str> for CommandName {
    fn eq(&self, other: &str) -> bool {
        matches!(self, Self::Text(name) if name.as_str() == other)
    }
}

impl PartialEq<&str> for CommandName {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// Displays the name unchanged. A log should have it [escaped](sockeye::escape).
impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(name) => f.pad(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Shows the name as Rust writes it, so that no name forges a line of a log.
impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(name) => fmt::Debug::fmt(name, f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// The identity that a client gives to a command, to find the reply and to cancel the command.
/// Commands with different ids run at the same time; commands with the same id, and those without
/// one, run one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommandId {
    /// A number.
    Number(u64),
    /// A text of at most [`MAX_LENGTH`](Self::MAX_LENGTH) bytes.
    Text(Box<str>),
}

impl CommandId {
    /// The maximum length of a text, in bytes: a UUID or a hash in hexadecimal fits.
    pub const MAX_LENGTH: usize = 128;
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}
