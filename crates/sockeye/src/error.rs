//! What can go wrong with a connection, by who is to blame.

use std::{fmt, io};

use sockeye_proto::{CloseFrame, ProtocolError, TimedOut, UsageError};

use crate::{ConnectError, UpgradeError};

/// The result of whatever this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. A closing handshake that ends as it should is no error: see
/// [`WebSocket::recv`](crate::WebSocket::recv).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol. It has been told so by a close frame, and the connection is over.
    Protocol(ProtocolError),
    /// The caller asked for what the protocol forbids. Nothing was sent, and the connection goes on.
    Usage(UsageError),
    /// The transport failed.
    Io(io::Error),
    /// The transport ended without a close frame: the peer crashed, or something between cut the connection (1006 in
    /// the words of RFC 6455 section 7.1.5).
    Disconnected,
    /// The peer closed the connection between the fragments of a message, whose beginning is lost.
    ClosedMidMessage(Option<CloseFrame>),
    /// A client got no connection.
    Connect(ConnectError),
    /// A request to a server did not become a connection.
    Upgrade(UpgradeError),
    /// The peer is silent, or did not finish the closing handshake in time.
    TimedOut(TimedOut),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(_) => f.write_str("the peer broke the WebSocket protocol"),
            Self::Usage(_) => f.write_str("the WebSocket protocol forbids this"),
            Self::Io(_) => f.write_str("the transport failed"),
            Self::Disconnected => f.write_str("the connection ended without a closing handshake"),
            Self::ClosedMidMessage(Some(frame)) => {
                write!(f, "the peer closed the connection in the middle of a message: {frame}")
            }
            Self::ClosedMidMessage(None) => {
                f.write_str("the peer closed the connection in the middle of a message")
            }
            Self::Connect(_) => f.write_str("the connection could not be opened"),
            Self::Upgrade(_) => f.write_str("the request was not upgraded"),
            Self::TimedOut(_) => f.write_str("the connection timed out"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Usage(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Connect(error) => Some(error),
            Self::Upgrade(error) => Some(error),
            Self::TimedOut(error) => Some(error),
            Self::Disconnected | Self::ClosedMidMessage(_) => None,
        }
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Error {
    /// The kind that code which knows nothing of WebSockets expects.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Protocol(_) => io::ErrorKind::InvalidData,
            Self::Usage(_) => io::ErrorKind::InvalidInput,
            Self::Disconnected | Self::ClosedMidMessage(_) => io::ErrorKind::UnexpectedEof,
            Self::TimedOut(_) => io::ErrorKind::TimedOut,
            Self::Io(error) => error.kind(),
            Self::Connect(_) | Self::Upgrade(_) => io::ErrorKind::Other,
        }
    }
}

/// With the error inside, of the kind that code which knows nothing of WebSockets expects.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            error => Self::new(error.kind(), error),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<UpgradeError> for Error {
    fn from(error: UpgradeError) -> Self {
        Self::Upgrade(error)
    }
}

impl From<TimedOut> for Error {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}
