//! The encodings of commands, replies and events.
//!
//! A [`Codec`] reads commands from a client's messages, and writes replies and events.
//!
//! | codec | command | reply | failure | event |
//! |---|---|---|---|---|
//! | [`JsonCommands`] (default) | `{"id":1,"cmd":"add","data":[1,2]}` | `{"id":1,"data":3}` | `{"id":1,"error":{"code":400,"message":"…"}}` | `{"event":"sum","data":3}` |
//! | [`TextCommands`] | `ADD 1 2` | `OK 3` | `ERROR 400 …` | `SUM 3` |
//! | [`Packets`] | type, length, who, content | of the same type and `who` | of type 0: code and message | type, length, 0, content |
//!
//! The same endpoints serve all codecs, since extractors and replies convert the content:
//!
//! | | [`Json`](super::Json) | [`Text`](super::Text) | [`Binary`](super::Binary) |
//! |---|---|---|---|
//! | `JsonCommands` | the value | a string | a string of Base64 |
//! | `TextCommands` | the value as text | the text | Base64 |
//! | `Packets` | the value as text | UTF-8 | the bytes |

mod json;
mod packets;
mod text;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sockeye::{Message, Utf8Bytes};

use super::{CommandId, CommandName, Content, EncodeError, Failure};

pub use json::JsonCommands;
pub use packets::Packets;
pub use text::TextCommands;

/// The encoding of a router's commands, replies and events, set by
/// [`Router::codec`](super::Router::codec).
pub trait Codec: fmt::Debug + Send + Sync + 'static {
    /// Decodes the first command of a message. Called again with the rest of the message until
    /// there is none.
    ///
    /// A message without a command, such as one of the wrong kind, is [`Malformed`].
    fn decode(&self, message: Message) -> Decoded;

    /// Encodes the reply to a command; `None` if it is not sent. The name is unknown if the command
    /// was malformed.
    ///
    /// # Errors
    /// [`EncodeError`], in place of which the client is sent a failure, whose encoding must not
    /// fail.
    fn encode_reply(
        &self,
        command: Option<&CommandName>,
        id: Option<&CommandId>,
        reply: Result<&Content, &Failure>,
    ) -> Result<Option<Message>, EncodeError>;

    /// Encodes an event.
    ///
    /// # Errors
    /// [`EncodeError`].
    fn encode_event(&self, event: &CommandName, content: &Content) -> Result<Message, EncodeError>;
}

/// The beginning of a message, decoded.
#[derive(Debug)]
pub struct Decoded {
    /// The first command of the message.
    pub command: Result<Incoming, Malformed>,
    /// The rest of the message, if it may contain more commands. Must be shorter than the message.
    pub rest: Option<Message>,
}

/// A thing that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// To run a command.
    Command(Command),
    /// To cancel all unfinished commands with this id.
    Cancel(CommandId),
}

/// A command as the client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The name, by which the endpoint is found.
    pub name: CommandName,
    /// The identity of the command.
    pub id: Option<CommandId>,
    /// The content.
    pub content: Content,
    /// The time after which the client has no more use for the reply.
    pub timeout: Option<Duration>,
}

/// A message, or a part of it, is no command.
#[derive(Debug)]
pub struct Malformed {
    /// The id of the command, where that much was understood.
    pub id: Option<CommandId>,
    /// The reply.
    pub failure: Failure,
}

impl From<Failure> for Malformed {
    fn from(failure: Failure) -> Self {
        Self { id: None, failure }
    }
}

/// Encodes bytes for the codecs whose messages are text.
fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Returns a part of a text without a copy.
fn slice(whole: &Utf8Bytes, part: &str) -> Utf8Bytes {
    let whole = whole.clone().into_bytes();
    // The part is UTF-8, so the copy is never made.
    Utf8Bytes::try_from(whole.slice_ref(part.as_bytes())).unwrap_or_else(|_| part.into())
}
