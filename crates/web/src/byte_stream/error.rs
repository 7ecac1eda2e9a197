use std::time::Duration;
use std::{fmt, io};

use sockeye_proto::{CloseFrame, TimedOut};

/// Why a byte stream fails: what is inside its [`io::Error`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer closed the connection with a code that tells of a failure: any but 1000 and 1001. Of the kind
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    Closed(CloseFrame),
    /// The peer sent text. It has been told so by the close code 4003. Of the kind
    /// [`InvalidData`](io::ErrorKind::InvalidData).
    Text,
    /// Written after the stream was [shut down](tokio::io::AsyncWriteExt::shutdown), or after the connection began to close.
    /// Of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ShutDown,
    /// Nothing arrived in time: see [`ByteStream::set_read_timeout`](super::ByteStream::set_read_timeout). The stream is as
    /// it was. Of the kind [`TimedOut`](io::ErrorKind::TimedOut).
    ReadTimedOut {
        /// The time that there was.
        after: Duration,
    },
    /// The connection failed. Of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where it ended without a closing
    /// handshake, [`TimedOut`](io::ErrorKind::TimedOut) where the peer takes nothing.
    Connection(crate::Error),
}

impl Error {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Closed(_) => io::ErrorKind::ConnectionReset,
            Self::Text => io::ErrorKind::InvalidData,
            Self::ShutDown => io::ErrorKind::BrokenPipe,
            Self::ReadTimedOut { .. } => io::ErrorKind::TimedOut,
            Self::Connection(error) => match error {
                crate::Error::Protocol(_) => io::ErrorKind::InvalidData,
                crate::Error::Disconnected | crate::Error::Failed(_) => {
                    io::ErrorKind::UnexpectedEof
                }
                crate::Error::TimedOut(TimedOut::Writing | TimedOut::Closing) => {
                    io::ErrorKind::TimedOut
                }
                _ => io::ErrorKind::Other,
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(frame) => write!(f, "the peer closed the connection: {frame}"),
            Self::Text => f.write_str("the peer sent text where bytes are expected"),
            Self::ShutDown => f.write_str("the byte stream was shut down or closed"),
            Self::ReadTimedOut { after } => write!(f, "nothing arrived within {after:?}"),
            Self::Connection(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Closed(_) => Self::ShutDown,
            error => Self::Connection(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
