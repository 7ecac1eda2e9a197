use std::{fmt, io};

use sockeye_proto::CloseFrame;
use sockeye_proto::resume::{ResumeError, SUBPROTOCOL};

/// The error of a resumable stream, inside its [`io::Error`]s too.
///
/// ```
/// use sockeye_web::resume::{Error, ResumeError};
///
/// fn must_begin_again(error: &std::io::Error) -> bool {
///     let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
///     matches!(cause, Some(Error::Session(ResumeError::Unknown | ResumeError::Expired { .. })))
/// }
/// # let _ = must_begin_again;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The session cannot continue.
    Session(ResumeError),
    /// No further attempt is made to open another WebSocket.
    Connection(crate::Error),
    /// The server closed the WebSocket permanently, with a code such as 1008 and without a frame of
    /// the protocol.
    Closed(Option<CloseFrame>),
    /// The WebSocket was opened without the [subprotocol](SUBPROTOCOL).
    Subprotocol,
    /// A write after the stream was [shut down](tokio::io::AsyncWriteExt::shutdown).
    ShutDown,
}

impl Error {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Session(error) => match error {
                ResumeError::Expired { .. } => io::ErrorKind::TimedOut,
                ResumeError::Full => io::ErrorKind::ConnectionRefused,
                ResumeError::OverBudget => io::ErrorKind::ConnectionAborted,
                ResumeError::Frame(_) | ResumeError::Refused => io::ErrorKind::InvalidData,
                _ => io::ErrorKind::ConnectionReset,
            },
            Self::Connection(error) => io::Error::from(error.clone()).kind(),
            Self::Closed(_) => io::ErrorKind::ConnectionReset,
            Self::Subprotocol => io::ErrorKind::InvalidData,
            Self::ShutDown => io::ErrorKind::BrokenPipe,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Closed(Some(frame)) => write!(f, "the WebSocket was closed: {frame}"),
            Self::Closed(None) => f.write_str("the WebSocket was closed"),
            Self::Subprotocol => write!(f, "the subprotocol {SUBPROTOCOL} was not negotiated"),
            Self::ShutDown => f.write_str("the stream was shut down"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ResumeError> for Error {
    fn from(error: ResumeError) -> Self {
        Self::Session(error)
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Connection(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
