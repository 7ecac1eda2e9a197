use std::error::Error;
use std::fmt;

/// The reason why a message is not one of `sockeye.grpc.v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The text is no JSON object, or has a field twice.
    NotAnObject,
    /// The `id` is missing, or is not an integer from 1 to 4294967295.
    InvalidId,
    /// There is no field that names the message.
    NoName,
    /// There are several fields that name the message.
    SeveralNames,
    /// The metadata of `auth` are malformed.
    Auth,
    /// A binary message is shorter than flags and id.
    TooShort,
    /// A binary message has flags that are not defined.
    UnknownFlags {
        /// The flags.
        flags: u8,
    },
    /// A message is malformed in a way that concerns its call only, which must end.
    Call {
        /// The call.
        id: u32,
        /// The reason.
        fault: CallFault,
    },
}

/// The reason why a message of one call is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallFault {
    /// The `start`, `headers` or `end` is no object, or one of its fields has the wrong type.
    Malformed,
    /// The `metadata`, `headers` or `trailers` are not an object of names to strings or lists of
    /// strings, or have more than 1024 values.
    Metadata,
    /// The `method` is no path.
    Method,
    /// The `timeout_ms` is not from 1 to 2⁵³ − 1.
    Timeout,
    /// A `credit` is not an integer up to 2⁵³ − 1, or adds nothing.
    Credit,
    /// `half_close` or `cancel` is not `true`.
    NotTrue,
    /// The `message` of `start` is JSON, and the codec is not.
    MessageOfProto,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("a text message must be one JSON object"),
            Self::InvalidId => f.write_str("the id must be an integer from 1 to 4294967295"),
            Self::NoName => f.write_str("a message must have a field that names it"),
            Self::SeveralNames => f.write_str("a message must have one field that names it"),
            Self::Auth => f.write_str("the metadata of auth are malformed"),
            Self::TooShort => f.write_str("a binary message must have flags and an id"),
            Self::UnknownFlags { flags } => {
                write!(f, "a binary message has the unknown flags {flags:#04x}")
            }
            Self::Call { id, fault } => write!(f, "call {id}: {fault}"),
        }
    }
}

impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a field is missing or has the wrong type",
            Self::Metadata => "metadata must be names with strings or lists of strings",
            Self::Method => "the method must be package.Service/Method",
            Self::Timeout => "timeout_ms must be from 1 to 9007199254740991",
            Self::Credit => "a credit must be an integer up to 9007199254740991, and not 0",
            Self::NotTrue => "half_close and cancel must be true",
            Self::MessageOfProto => "messages of the codec proto must be binary",
        })
    }
}

impl Error for FrameError {}

impl Error for CallFault {}
