//! What can go wrong with a connection, by who is to blame.

use std::{fmt, io};

use sockeye_proto::{CloseFrame, ErrorChain, ProtocolError, TimedOut, UsageError};

use crate::{ConnectError, UpgradeError};

/// The result of whatever this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. A closing handshake that ends as it should is no error: see
/// [`WebSocket::recv`](crate::WebSocket::recv).
///
/// # Text
/// The text of this error, as of every error in this crate, ends with the text of its cause, so that `{error}` alone tells
/// what happened. [`source`](std::error::Error::source) is therefore `None`: whatever prints a chain of causes prints
/// nothing twice. The cause as a value is in the variant. [`ErrorChain`] displays errors of other crates in the same way.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol. It has been told so by a close frame, and the connection is over.
    Protocol(ProtocolError),
    /// The caller asked for what the protocol forbids. Nothing was sent, and the connection goes on.
    Usage(UsageError),
    /// The message came too late: the connection is closed or closing, by the peer, by this side, or by a server that stops.
    /// Nothing was sent.
    ///
    /// The frame is the peer's close frame; `None` before it arrived, or when it was empty.
    Closed(Option<CloseFrame>),
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
            Self::Protocol(error) => write!(f, "the peer broke the WebSocket protocol: {error}"),
            Self::Usage(error) => write!(f, "the WebSocket protocol forbids this: {error}"),
            Self::Closed(Some(frame)) => write!(f, "the connection is closed: {frame}"),
            Self::Closed(None) => f.write_str("the connection is closed"),
            Self::Io(error) => write!(f, "the transport failed: {}", ErrorChain(error)),
            Self::Disconnected => f.write_str("the connection ended without a closing handshake"),
            Self::ClosedMidMessage(Some(frame)) => {
                write!(f, "the peer closed the connection in the middle of a message: {frame}")
            }
            Self::ClosedMidMessage(None) => {
                f.write_str("the peer closed the connection in the middle of a message")
            }
            Self::Connect(error) => error.fmt(f),
            Self::Upgrade(error) => error.fmt(f),
            Self::TimedOut(error) => write!(f, "the connection timed out: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<UsageError> for Error {
    /// [`UsageError::Closing`] becomes [`Error::Closed`]: nobody misused a connection that has just been closed.
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Closing => Self::Closed(None),
            error => Self::Usage(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Error {
    /// Returns the error of a call that comes after this one ended the connection. It is the same, but that a peer which closed
    /// in the middle of a message has closed, and that an I/O error which is not the system's keeps its kind and text only.
    pub(crate) fn of_later_call(&self) -> Self {
        match self {
            Self::Protocol(error) => Self::Protocol(*error),
            Self::Usage(error) => Self::Usage(*error),
            Self::Closed(frame) | Self::ClosedMidMessage(frame) => Self::Closed(frame.clone()),
            Self::Io(error) => Self::Io(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), ErrorChain(error).to_string()),
            }),
            Self::Disconnected => Self::Disconnected,
            Self::TimedOut(error) => Self::TimedOut(*error),
            // They end no connection.
            Self::Connect(_) | Self::Upgrade(_) => Self::Closed(None),
        }
    }

    /// The kind that code which knows nothing of WebSockets expects.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Protocol(_) => io::ErrorKind::InvalidData,
            Self::Usage(_) => io::ErrorKind::InvalidInput,
            Self::Closed(_) => io::ErrorKind::BrokenPipe,
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
