use std::time::Duration;
use std::{fmt, io};

use sockeye_proto::CloseFrame;

/// Why a byte stream fails: what is inside its [`io::Error`]s, but for those of the transport, which come as they are.
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
    /// The peer closed the connection with a code that tells of a failure: any but 1000 and 1001. Of the kind
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    Closed(CloseFrame),
    /// The peer sent text. It has been told so by a close frame with 1003. Of the kind
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
    /// A deadline has passed that [`Deadlines`](super::Deadlines) set. The stream is as it was. Of the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut).
    DeadlinePassed,
    /// The connection failed. Of the kind that the same error of a [`MessageReader`](crate::MessageReader) has:
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the transport ended without a close frame or a message without
    /// its end, [`InvalidData`](io::ErrorKind::InvalidData) where the peer broke the protocol,
    /// [`TimedOut`](io::ErrorKind::TimedOut) where it is silent or takes nothing.
    Connection(crate::Error),
    /// It has failed before, by an error of this kind, which that call gave.
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

    /// What a byte stream gives for an error of its connection.
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
