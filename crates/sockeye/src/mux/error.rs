use std::sync::Arc;
use std::{fmt, io};

use sockeye_proto::mux::{ErrorCode, SessionEnd, Violation};

use super::SUBPROTOCOL;

/// The reason why a session ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer's program closed the session.
    Closed {
        /// The application's code.
        code: u64,
        /// The reason, for people. The text is the peer's: escape it for a terminal.
        reason: String,
    },
    /// This program closed the session.
    LocallyClosed,
    /// The peer reports that this end broke a rule.
    Refused {
        /// The error code.
        code: ErrorCode,
        /// The reason, for people. The text is the peer's: escape it for a terminal.
        reason: String,
    },
    /// The peer broke a rule.
    Violation(Violation),
    /// The peer was silent for the idle timeout.
    IdleTimeout,
    /// The peer did not begin the session in time: 30 s.
    HandshakeTimeout,
    /// The WebSocket was opened without a subprotocol, such as [`SUBPROTOCOL`].
    Subprotocol,
    /// The transport ended without a close of the session.
    Disconnected,
    /// The memory budget is used up, see [`Session::charge`](super::Session::charge).
    OverBudget,
    /// The transport failed.
    Transport(Arc<io::Error>),
}

/// The reason why a stream takes no more data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The peer reads no more, and stated this code.
    Stopped(u64),
    /// The stream was finished or reset.
    Finished,
    /// The session has ended.
    Session(SessionError),
}

/// The reason why a stream has no more data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer abandoned the stream, and stated this code.
    Reset(u64),
    /// The program stopped the stream.
    Stopped,
    /// The session has ended.
    Session(SessionError),
}

/// The reason why a datagram cannot be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DatagramError {
    /// The peer accepts no datagrams, or has not begun the session.
    Unsupported,
    /// The datagram is longer than the peer allows.
    TooLong {
        /// The length, in bytes.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The session has ended.
    Session(SessionError),
}

impl From<&SessionEnd> for SessionError {
    fn from(end: &SessionEnd) -> Self {
        match end {
            SessionEnd::Closed => Self::LocallyClosed,
            SessionEnd::ClosedByPeer { code, reason } => {
                Self::Closed { code: *code, reason: reason.clone() }
            }
            SessionEnd::Refused { code, reason } => {
                Self::Refused { code: *code, reason: reason.clone() }
            }
            SessionEnd::Violation(violation) => Self::Violation(*violation),
            SessionEnd::IdleTimeout => Self::IdleTimeout,
            SessionEnd::OverBudget => Self::OverBudget,
            SessionEnd::ParametersTimeout => Self::HandshakeTimeout,
            // A later version may have other reasons.
            _ => Self::Disconnected,
        }
    }
}

impl SessionError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Closed { .. } | Self::Refused { .. } => io::ErrorKind::ConnectionReset,
            Self::LocallyClosed => io::ErrorKind::NotConnected,
            Self::OverBudget => io::ErrorKind::ConnectionAborted,
            Self::Violation(_) | Self::Subprotocol => io::ErrorKind::InvalidData,
            Self::IdleTimeout | Self::HandshakeTimeout => io::ErrorKind::TimedOut,
            Self::Disconnected => io::ErrorKind::UnexpectedEof,
            Self::Transport(error) => error.kind(),
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code, reason } if reason.is_empty() => {
                write!(f, "the peer closed the session with code {code}")
            }
            Self::Closed { code, reason } => {
                write!(f, "the peer closed the session with code {code}: {reason}")
            }
            Self::LocallyClosed => f.write_str("this end closed the session"),
            Self::Refused { code, reason } => {
                write!(f, "the peer refused the session: {code}: {reason}")
            }
            Self::Violation(violation) => write!(f, "the peer broke a rule: {violation}"),
            Self::IdleTimeout => f.write_str("the peer was silent for the idle timeout"),
            Self::HandshakeTimeout => f.write_str("the peer did not begin the session in time"),
            Self::Subprotocol => {
                write!(f, "no subprotocol was negotiated, such as {SUBPROTOCOL}")
            }
            Self::Disconnected => f.write_str("the connection ended without a close"),
            Self::OverBudget => f.write_str("the memory budget is used up"),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(code) => write!(f, "the peer stopped the stream with code {code}"),
            Self::Finished => f.write_str("the stream was finished or reset"),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(code) => write!(f, "the peer reset the stream with code {code}"),
            Self::Stopped => f.write_str("the stream was stopped"),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("the peer accepts no datagrams"),
            Self::TooLong { length, limit } => {
                write!(f, "a datagram of {length} bytes, more than {limit}")
            }
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionError {}
impl std::error::Error for WriteError {}
impl std::error::Error for ReadError {}
impl std::error::Error for DatagramError {}

impl From<SessionError> for io::Error {
    fn from(error: SessionError) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        let kind = match &error {
            WriteError::Stopped(_) => io::ErrorKind::ConnectionReset,
            WriteError::Finished => io::ErrorKind::BrokenPipe,
            WriteError::Session(error) => error.kind(),
        };
        Self::new(kind, error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Reset(_) => io::ErrorKind::ConnectionReset,
            ReadError::Stopped => io::ErrorKind::NotConnected,
            ReadError::Session(error) => error.kind(),
        };
        Self::new(kind, error)
    }
}
