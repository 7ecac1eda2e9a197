//! What can go wrong with a connection, by who is to blame.

use std::{fmt, io};

use sockeye_proto::{CloseFrame, ProtocolError, TimedOut, UsageError};

use crate::{ConnectError, Exception};

/// The result of whatever this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. A closing handshake that ends as it should is no error: see
/// [`WebSocket::recv`](crate::WebSocket::recv).
///
/// # Text
/// The text of this error, as of every error in this crate, ends with the text of its cause, so that `{error}` alone tells
/// what happened. [`source`](std::error::Error::source) is therefore `None`: whatever prints a chain of causes prints
/// nothing twice. The cause as a value is in the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer sent a message that is over the limit. It has been told so by the close code 4009, and the connection is over.
    Protocol(ProtocolError),
    /// The caller asked for what the protocol or the browser forbids. Nothing was sent, and the connection goes on.
    Usage(UsageError),
    /// The message came too late: the connection is closed or closing, by either side. Nothing was sent.
    ///
    /// The frame is the peer's close frame; `None` before it arrived, or when it was empty.
    Closed(Option<CloseFrame>),
    /// The transport ended without a close frame: the peer crashed, something between cut the connection, or the browser
    /// found the peer to break the protocol (1006 in the words of RFC 6455 section 7.1.5). A browser does not say which.
    Disconnected,
    /// The connection ended with this code, and not cleanly: the browser failed it, or the peer closed it while something
    /// that was sent to it was not written yet. A browser does not say which.
    Failed(CloseFrame),
    /// The peer sent faster than the program received. What was in the queue was given before this error; what came after
    /// that is lost.
    ///
    /// Where the browser has no backpressure, the queue was full when a message came, and the peer has been told so by the
    /// close code 4008. Where it has `WebSocketStream`, the queue was full when the peer closed the connection: Chromium 156
    /// throws away then what it still holds, and does not say whether there was anything.
    QueueFull {
        /// The limit, in bytes: [`Client::receive_queue`](crate::Client::receive_queue).
        limit: usize,
    },
    /// There is no connection.
    Connect(ConnectError),
    /// The peer did not take what is written, or did not finish the closing handshake in time.
    TimedOut(TimedOut),
    /// The browser threw what it should not.
    Browser(Exception),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => write!(f, "the peer broke the WebSocket protocol: {error}"),
            Self::Usage(error) => write!(f, "the WebSocket protocol forbids this: {error}"),
            Self::Closed(Some(frame)) => write!(f, "the connection is closed: {frame}"),
            Self::Closed(None) => f.write_str("the connection is closed"),
            Self::Disconnected => f.write_str("the connection ended without a closing handshake"),
            Self::Failed(frame) => write!(f, "the connection did not end cleanly: {frame}"),
            Self::QueueFull { limit } => {
                write!(f, "the peer filled the queue of {limit} bytes faster than it was received")
            }
            Self::Connect(error) => error.fmt(f),
            Self::TimedOut(error) => write!(f, "the connection timed out: {error}"),
            Self::Browser(exception) => {
                write!(f, "the browser refused the operation: {exception}")
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
    /// [`UsageError::Closing`] becomes [`Error::Closed`]: nobody misused a connection that has just been closed.
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

/// With the error inside, of the kind that code which knows nothing of WebSockets expects.
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
