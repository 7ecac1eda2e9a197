use std::fmt;
use std::sync::Arc;

use sockeye_proto::UsageError;

use crate::Error;

/// The reason why a command was not queued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandleError {
    /// The protocol forbids the command.
    Usage(UsageError),
    /// The connection is over. The error is the one that ended it; after a closing handshake,
    /// [`Error::Closed`] with the peer's close frame.
    Closed(Arc<Error>),
    /// The worker's queue has no capacity for the command at present: the queued commands have
    /// reached [`Server::max_command_bytes`](super::Server::max_command_bytes). Or the peer does
    /// not read, and the connection has no capacity: see
    /// [`Handle::try_send_prepared`](super::Handle::try_send_prepared).
    Full,
    /// The server has stopped.
    Stopped,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "the WebSocket protocol forbids this: {error}"),
            Self::Closed(error) => error.fmt(f),
            Self::Full => f.write_str("the queue of the worker or of the connection is full"),
            Self::Stopped => f.write_str("the server has stopped"),
        }
    }
}

impl std::error::Error for HandleError {}

impl From<UsageError> for HandleError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}
