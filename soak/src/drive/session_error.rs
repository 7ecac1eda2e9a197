use std::fmt;

use sockeye::Error;

/// An error of a session.
#[derive(Debug)]
pub(super) enum SessionError {
    /// Connecting failed, or the connection did.
    Failed(Error),
    /// The transport failed unexpectedly.
    Io(std::io::Error),
    /// The request was not upgraded.
    NotUpgraded,
    /// The echo differs from the message.
    WrongEcho,
    /// The connection was closed without a reason.
    Closed,
    /// An expected close frame did not arrive.
    NoCloseFrame,
    /// The server keeps a connection beyond every timeout.
    NotDisconnected,
    /// Only the client's side has the connection: see
    /// [`has_connection`](super::procfs::has_connection).
    UnknownToServer,
    /// The session exceeded its timeout.
    TimedOut,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the connection failed: {error:?}"),
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::NotUpgraded => f.write_str("the request was not upgraded"),
            Self::WrongEcho => f.write_str("the echo differs from the message"),
            Self::Closed => f.write_str("closed without a reason"),
            Self::NoCloseFrame => f.write_str("no close frame, or one with another code"),
            Self::NotDisconnected => f.write_str("not disconnected by any timeout"),
            Self::UnknownToServer => f.write_str("the server does not have the connection"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for SessionError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
