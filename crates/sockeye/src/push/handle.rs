use std::fmt;
use std::sync::Arc;

use sockeye_proto::{CloseCode, CloseFrame, Message, Prepared, UsageError, Utf8Bytes};

use super::ConnectionId;
use super::mailbox::{Letter, Workers};

/// A way to a connection from any thread, at any time: what is asked for is done by the connection's worker.
///
/// Messages from one thread arrive in the order in which they were sent. A connection that is over takes what it is sent
/// silently: [`Handler::close`](super::Handler::close) is where to forget its handle.
#[derive(Clone, Debug)]
pub struct Handle {
    id: ConnectionId,
    workers: Arc<Workers>,
}

impl Handle {
    pub(super) fn new(id: ConnectionId, workers: Arc<Workers>) -> Self {
        Self { id, workers }
    }

    /// Whose handle it is.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Sends a message. Whether the connection has room for it is known only to its worker, which drops it if there is
    /// none: see [`Server::max_unwritten`](super::Server::max_unwritten).
    ///
    /// # Errors
    /// [`HandleError::Full`], [`HandleError::Stopped`].
    pub fn send(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.workers.post(self.id, Letter::Send(self.id, message.into()))
    }

    /// Sends a prepared message, as [`send`](Self::send): nothing is encoded or compressed that was so before.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.workers.post(self.id, Letter::SendPrepared(self.id, prepared.clone()))
    }

    /// Sends a ping with at most 125 bytes of payload.
    ///
    /// # Errors
    /// [`HandleError::Usage`] for a longer one, and as [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), HandleError> {
        if payload.len() > sockeye_proto::frame::MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: payload.len() }.into());
        }
        self.workers.post(self.id, Letter::Ping(self.id, payload.into()))
    }

    /// Begins the closing handshake.
    ///
    /// # Errors
    /// [`HandleError::Usage`] for a code that must not be sent or a reason of more than 123 bytes, and as
    /// [`send`](Self::send).
    pub fn close(&self, code: CloseCode, reason: impl Into<Utf8Bytes>) -> Result<(), HandleError> {
        let frame = CloseFrame::new(code, reason)?;
        self.workers.post(self.id, Letter::Close(self.id, frame))
    }

    /// Drops the connection without a closing handshake.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn abort(&self) -> Result<(), HandleError> {
        self.workers.post(self.id, Letter::Abort(self.id))
    }

    /// Sends a message to all connections of the server that are open: one letter to each worker, which writes the shared
    /// payload to its own connections. It is [`Prepared`] for that: compressed once, and by itself.
    ///
    /// # Errors
    /// As [`send`](Self::send), when some worker did not take it; the others did.
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// As [`broadcast`](Self::broadcast), of a message that was prepared before.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.workers.post_to_all(&Letter::Broadcast(prepared.clone()))
    }
}

/// Why a worker was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// The protocol forbids it.
    Usage(UsageError),
    /// The worker is behind: as much as [`Server::max_mail`](super::Server::max_mail) allows waits for it.
    Full,
    /// The server has stopped.
    Stopped,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usage(_) => "the WebSocket protocol forbids this",
            Self::Full => "the connection's worker is behind and takes no more for now",
            Self::Stopped => "the server has stopped",
        })
    }
}

impl std::error::Error for HandleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Usage(error) => Some(error),
            Self::Full | Self::Stopped => None,
        }
    }
}

impl From<UsageError> for HandleError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}
