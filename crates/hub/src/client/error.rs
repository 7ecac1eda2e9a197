use std::error::Error;
use std::fmt;

use crate::core::RoomNameError;
use crate::protocol::Refusal;

/// The reason why a command of a [`HubClient`](super::HubClient) failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The text is not the name of a room.
    RoomName(RoomNameError),
    /// The server refused the command.
    Refused(Refusal),
    /// The connection was lost before the reply: the outcome is unknown.
    Lost,
    /// There was no reply in time, or no connection: the outcome is unknown.
    TimedOut,
    /// The client is closed, or the room was left.
    Closed,
    /// The reply is that of another command: the server breaks the protocol.
    UnexpectedReply,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoomName(error) => error.fmt(f),
            Self::Refused(refusal) => write!(f, "the server refused the command: {refusal}"),
            Self::Lost => f.write_str("the connection was lost before the reply"),
            Self::TimedOut => f.write_str("the server did not reply in time"),
            Self::Closed => f.write_str("the client is closed, or the room was left"),
            Self::UnexpectedReply => f.write_str("the server sent the reply of another command"),
        }
    }
}

impl Error for ClientError {}

impl From<RoomNameError> for ClientError {
    fn from(error: RoomNameError) -> Self {
        Self::RoomName(error)
    }
}
