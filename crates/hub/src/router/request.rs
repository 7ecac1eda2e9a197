use std::fmt;

use sockeye::Utf8Bytes;
use sockeye::http::Extensions;

use super::{Content, Context};

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

/// A command on its way to an endpoint, as [extractors](super::FromRequest) and
/// [layers](super::Router::layer) see it.
#[derive(Clone, Debug)]
pub struct Request {
    context: Context,
    content: Content,
    data: Extensions,
}

impl Request {
    pub(super) fn new(context: Context, body: Content) -> Self {
        Self { context, content: body, data: Extensions::new() }
    }

    /// Returns the context of the command.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the name of the command.
    pub fn command(&self) -> &CommandName {
        self.context.command()
    }

    /// Returns the content as it came from the client.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Replaces the content.
    pub fn set_content(&mut self, content: Content) {
        self.content = content;
    }

    /// Returns the value of this type that a layer [attached](Self::set_data) to the command, or
    /// else the [connection's](Context::data).
    pub fn data<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.data.get().cloned().or_else(|| self.context.data())
    }

    /// Attaches a value to the command, one of each type, for the extractor
    /// [`Data`](super::Data); returns the previous one.
    pub fn set_data<T: Clone + Send + Sync + 'static>(&mut self, data: T) -> Option<T> {
        self.data.insert(data)
    }
}
