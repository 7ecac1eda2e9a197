//! Why a client got no connection.

use std::fmt;
use std::time::Duration;

use sockeye_proto::handshake::RequestError;

use crate::Exception;

/// Why a client got no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The program asked for what cannot be had; nothing was sent.
    Request(RequestError),
    /// The browser's rules forbid it, nothing was sent: a `ws` URL on a secure page (mixed content), a port that no page may
    /// connect to, or what the page's own policy (Content-Security-Policy) forbids.
    Security(Exception),
    /// There was no connection, or the server did not upgrade it, or broke a rule while it did.
    ///
    /// A browser hides which of them it was, so that scripts cannot explore a network; its console shows more.
    Failed,
    /// The deadline passed.
    TimedOut {
        /// The time that there was.
        after: Duration,
    },
    /// The browser threw what it should not: here may be no WebSocket.
    Browser(Exception),
}

impl From<Exception> for ConnectError {
    fn from(exception: Exception) -> Self {
        match exception.name.as_str() {
            "SecurityError" => Self::Security(exception),
            _ => Self::Browser(exception),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(_) => f.write_str("the request cannot be made"),
            Self::Security(_) => f.write_str("the browser forbids this connection"),
            Self::Failed => f.write_str("no connection, for a reason that the browser hides"),
            Self::TimedOut { after } => write!(f, "no connection within {after:?}"),
            Self::Browser(_) => f.write_str("the browser refused to connect"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Request(error) => Some(error),
            Self::Security(exception) | Self::Browser(exception) => Some(exception),
            Self::Failed | Self::TimedOut { .. } => None,
        }
    }
}
