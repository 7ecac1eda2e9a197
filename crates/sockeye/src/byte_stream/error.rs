use std::time::Duration;
use std::{fmt, io};

use sockeye_proto::CloseFrame;

/// The error of a byte stream, inside its [`io::Error`]s; errors of the transport are returned
/// unchanged.
///
/// ```
/// use sockeye::byte_stream::Error;
///
/// fn was_refused(error: &std::io::Error) -> bool {
///     let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
///     matches!(cause, Some(Error::Closed(frame)) if u16::from(frame.code) == 1008)
/// }
/// # let _ = was_refused;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer closed the connection with a code that indicates a failure: any but 1000 and 1001.
    /// Of the kind [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    Closed(CloseFrame),
    /// The peer sent text, and was notified by a close frame with 1003. Of the kind
    /// [`InvalidData`](io::ErrorKind::InvalidData).
    Text,
    /// A write after the stream was [shut down](tokio::io::AsyncWriteExt::shutdown), or after the
    /// connection began to close. Of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ShutDown,
    /// Nothing arrived in time: see
    /// [`ByteStream::set_read_timeout`](super::ByteStream::set_read_timeout). The stream is
    /// unchanged. Of the kind [`TimedOut`](io::ErrorKind::TimedOut).
    ReadTimedOut {
        /// The timeout.
        after: Duration,
    },
    /// A deadline that [`Deadlines`](super::Deadlines) set has passed. The stream is unchanged. Of
    /// the kind [`TimedOut`](io::ErrorKind::TimedOut).
    DeadlinePassed,
    /// The connection failed. Of the same kind as this error of a
    /// [`MessageReader`](crate::MessageReader): [`UnexpectedEof`](io::ErrorKind::UnexpectedEof)
    /// where the transport ended without a close frame or within a message,
    /// [`InvalidData`](io::ErrorKind::InvalidData) where the peer broke the protocol,
    /// [`TimedOut`](io::ErrorKind::TimedOut) where the peer is silent or takes nothing.
    Connection(crate::Error),
    /// The stream has failed before, by an error of this kind, which an earlier call returned.
    Failed(io::ErrorKind),
}

impl Error {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Closed(_) => io::ErrorKind::ConnectionReset,
            Self::Text => io::ErrorKind::InvalidData,
            Self::ShutDown => io::ErrorKind::BrokenPipe,
            Self::ReadTimedOut { .. } | Self::DeadlinePassed => io::ErrorKind::TimedOut,
            Self::Connection(error) => error.kind(),
            Self::Failed(kind) => *kind,
        }
    }

    /// Converts an error of the connection to that of a byte stream.
    pub(super) fn of_connection(error: crate::Error) -> io::Error {
        match error {
            crate::Error::Io(error) => error,
            crate::Error::Closed(_) => Self::ShutDown.into(),
            error => Self::Connection(error).into(),
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
            Self::DeadlinePassed => f.write_str("the deadline has passed"),
            Self::Connection(error) => error.fmt(f),
            Self::Failed(kind) => write!(f, "the byte stream has failed before: {kind}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
