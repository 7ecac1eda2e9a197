//! The errors of a connection, by the side that is to blame.

use std::{fmt, io};

use sockeye_proto::{CloseFrame, ErrorChain, ProtocolError, TimedOut, UsageError};

use crate::{ConnectError, UpgradeError};

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why an operation failed. A regular closing handshake is not an error: see
/// [`WebSocket::recv`](crate::WebSocket::recv).
///
/// # Text
/// The text of this error, as of every error in this crate, ends with the text of its cause, so
/// that `{error}` alone is complete. [`source`](std::error::Error::source) is therefore `None`: a
/// program that prints a chain of causes prints nothing twice. The variant contains the cause as a
/// value. [`ErrorChain`] displays errors of other crates in the same way.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol. The peer was sent a close frame with the reason, and the
    /// connection has ended.
    Protocol(ProtocolError),
    /// The caller requested an operation that the protocol forbids. Nothing was sent, and the
    /// connection remains open.
    Usage(UsageError),
    /// The message came too late: the connection is closed or closing, by the peer, by this side,
    /// or by a server that stops. Nothing was sent.
    ///
    /// The frame is the peer's close frame; `None` before it arrived, or when it was empty.
    Closed(Option<CloseFrame>),
    /// The transport failed.
    Io(io::Error),
    /// The transport ended without a close frame: the peer crashed, or an intermediary cut the
    /// connection (1006 in RFC 6455 section 7.1.5).
    Disconnected,
    /// The peer closed the connection between the fragments of a message, whose beginning is lost.
    ClosedMidMessage(Option<CloseFrame>),
    /// A client could not open a connection.
    Connect(ConnectError),
    /// A request to a server did not become a connection.
    Upgrade(UpgradeError),
    /// The peer was silent for too long, or did not finish the closing handshake in time.
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
    /// Converts [`UsageError::Closing`] to [`Error::Closed`]: using a connection that has just been
    /// closed is not misuse.
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
    /// Returns the error of calls after the one whose error ended the connection: the same error,
    /// with two exceptions. A close in the middle of a message becomes [`Error::Closed`], and an
    /// I/O error that is not the system's keeps only its kind and text.
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
            // These errors end no connection.
            Self::Connect(_) | Self::Upgrade(_) => Self::Closed(None),
        }
    }

    /// Returns the [`io::ErrorKind`] that code without knowledge of WebSockets expects.
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

/// Wraps the error in an [`io::Error`] of the kind that code without knowledge of WebSockets
/// expects.
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
