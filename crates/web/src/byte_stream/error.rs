use std::time::Duration;
use std::{fmt, io};

use sockeye_proto::{CloseFrame, TimedOut};

/// The error of a byte stream, found inside its [`io::Error`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer closed the connection with a code that indicates a failure: any but 1000 and 1001.
    /// Kind: [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    Closed(CloseFrame),
    /// The peer sent a text message. The connection was closed with 4003. Kind:
    /// [`InvalidData`](io::ErrorKind::InvalidData).
    Text,
    /// The program wrote after the stream was [shut down](tokio::io::AsyncWriteExt::shutdown), or
    /// after the connection began to close. Kind: [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ShutDown,
    /// No bytes arrived in time: see
    /// [`ByteStream::set_read_timeout`](super::ByteStream::set_read_timeout). The stream is
    /// unchanged. Kind: [`TimedOut`](io::ErrorKind::TimedOut).
    ReadTimedOut {
        /// The read timeout.
        after: Duration,
    },
    /// The connection failed. Kind: [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the
    /// connection ended without a closing handshake, [`TimedOut`](io::ErrorKind::TimedOut) if the
    /// peer stopped reading.
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
