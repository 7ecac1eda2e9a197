//! Errors of a connection, classified by the party that caused them.

use std::{fmt, io};

use sockeye_proto::{CloseFrame, ProtocolError, TimedOut, UsageError};

use crate::{ConnectError, Exception};

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a WebSocket operation. A completed closing handshake is not an error: see
/// [`WebSocket::recv`](crate::WebSocket::recv).
///
/// # Display
/// The text of this error, as of every error in this crate, ends with the text of its cause, so
/// that `{error}` alone is a complete description. [`source`](std::error::Error::source) therefore
/// returns `None`: code that prints the chain of causes prints nothing twice. The cause is
/// available as a value in the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer sent a message longer than the limit. The connection was closed with 4009 (message
    /// too big).
    Protocol(ProtocolError),
    /// The caller requested an operation that the protocol or the browser forbids. Nothing was
    /// sent, and the connection continues.
    Usage(UsageError),
    /// The connection is closed or closing, started by either side. Nothing was sent.
    ///
    /// The frame is the peer's close frame; `None` if it has not arrived yet or was empty.
    Closed(Option<CloseFrame>),
    /// The transport ended without a close frame: the peer crashed, an intermediary cut the
    /// connection, or the browser detected a protocol violation by the peer (1006 in RFC 6455
    /// section 7.1.5). A browser does not report which.
    Disconnected,
    /// The connection ended with this code, but not cleanly: the browser failed the connection, or
    /// the peer closed it while the browser still buffered outgoing data. A browser does not report
    /// which.
    Failed(CloseFrame),
    /// The peer sent faster than the program received. The queued messages were returned before
    /// this error; later messages are lost.
    ///
    /// In a browser without backpressure, a message arrived while the queue was full, and the
    /// connection was closed with 4008. In a browser with `WebSocketStream`, the queue was full
    /// when the peer closed the connection: Chromium 156 then discards the messages that it still
    /// buffers, and does not report whether there were any.
    QueueFull {
        /// The limit, in bytes: [`Client::receive_queue`](crate::Client::receive_queue).
        limit: usize,
    },
    /// The connection could not be opened.
    Connect(ConnectError),
    /// The peer did not read the sent data, or did not finish the closing handshake, in time.
    TimedOut(TimedOut),
    /// The browser threw an unexpected exception.
    Browser(Exception),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => write!(f, "the peer broke the WebSocket protocol: {error}"),
            Self::Usage(error) => write!(f, "the operation is not allowed: {error}"),
            Self::Closed(Some(frame)) => write!(f, "the connection is closed: {frame}"),
            Self::Closed(None) => f.write_str("the connection is closed"),
            Self::Disconnected => f.write_str("the connection ended without a closing handshake"),
            Self::Failed(frame) => write!(f, "the connection did not end cleanly: {frame}"),
            Self::QueueFull { limit } => {
                write!(
                    f,
                    "the receive queue of {limit} bytes is full: messages arrived faster than they were received"
                )
            }
            Self::Connect(error) => error.fmt(f),
            Self::TimedOut(error) => write!(f, "the connection timed out: {error}"),
            Self::Browser(exception) => {
                write!(f, "the browser threw an exception: {exception}")
            }
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
    /// Converts [`UsageError::Closing`] to [`Error::Closed`]: sending on a connection that has just
    /// been closed is not a misuse.
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Closing => Self::Closed(None),
            error => Self::Usage(error),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<TimedOut> for Error {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<Exception> for Error {
    fn from(exception: Exception) -> Self {
        Self::Browser(exception)
    }
}

/// Wraps the error in an [`io::Error`] of the kind that code unaware of WebSockets expects.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Protocol(_) => io::ErrorKind::InvalidData,
            Error::Closed(_) => io::ErrorKind::BrokenPipe,
            Error::Usage(_) => io::ErrorKind::InvalidInput,
            Error::Disconnected | Error::Failed(_) => io::ErrorKind::UnexpectedEof,
            Error::TimedOut(_) => io::ErrorKind::TimedOut,
            Error::QueueFull { .. } | Error::Connect(_) | Error::Browser(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
