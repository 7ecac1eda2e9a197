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
    OtherEcho,
    /// The connection was closed without a reason.
    Closed,
    /// An expected close frame did not arrive.
    NoCloseFrame,
    /// The server keeps a connection beyond every timeout.
    NotLetGo,
    /// Only the client's side has the connection: see
    /// [`has_connection`](super::reading::has_connection).
    NeverArrived,
    /// The session exceeded its timeout.
    Stuck,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the connection failed: {error:?}"),
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::NotUpgraded => f.write_str("the request was not upgraded"),
            Self::OtherEcho => f.write_str("something else came back than was sent"),
            Self::Closed => f.write_str("closed without a reason"),
            Self::NoCloseFrame => f.write_str("no close frame, or one with another code"),
            Self::NotLetGo => f.write_str("not let go by any deadline"),
            Self::NeverArrived => f.write_str("the server never knew of the connection"),
            Self::Stuck => f.write_str("takes too long"),
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
