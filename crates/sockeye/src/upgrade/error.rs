//! The reasons why a request did not become a connection.

use std::time::Duration;
use std::{error, fmt, io};

use sockeye_proto::ErrorChain;
use sockeye_proto::handshake::HandshakeError;

use crate::opening::HeadError;

/// The reason why the server's side of the handshake did not yield a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The request broke a rule, or was refused. The client has received a response.
    Handshake(HandshakeError),
    /// The transport failed.
    Io(io::Error),
    /// The handshake timed out ([`Options::handshake_timeout`](super::Options::handshake_timeout)).
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// The HTTP server did not hand over the stream: it failed before the response was written.
    #[cfg(feature = "hyper")]
    Hyper(hyper::Error),
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(source) => write!(f, "the opening handshake failed: {source}"),
            Self::Io(source) => {
                write!(
                    f,
                    "the transport failed during the opening handshake: {}",
                    ErrorChain(source)
                )
            }
            Self::TimedOut { after } => {
                write!(f, "the opening handshake was not finished within {after:?}")
            }
            #[cfg(feature = "hyper")]
            Self::Hyper(source) => {
                let source = ErrorChain(source);
                write!(f, "the HTTP connection failed before it was upgraded: {source}")
            }
        }
    }
}

impl error::Error for UpgradeError {}

impl From<HandshakeError> for UpgradeError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<io::Error> for UpgradeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HeadError> for UpgradeError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Handshake(error) => Self::Handshake(error),
            HeadError::Io(error) => Self::Io(error),
        }
    }
}
