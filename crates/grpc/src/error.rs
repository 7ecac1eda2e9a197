//! Why there is no connection.

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fmt, io};

use sockeye::ErrorChain;

/// Why a connection for gRPC could not be opened. Calls that waited for it fail as
/// [`unavailable`](tonic::Code::Unavailable), with this as the source of their status.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no WebSocket.
    WebSocket(sockeye::ConnectError),
    /// There is no byte stream: the function given to [`Endpoint::with_connector`](crate::Endpoint::with_connector) failed.
    Transport(io::Error),
    /// There is no TLS inside the byte stream: see [`Endpoint::tls`](crate::Endpoint::tls). Where a certificate is to
    /// blame, the error within is a `rustls::Error`.
    #[cfg(feature = "tls")]
    Tls(io::Error),
    /// The other end does not speak HTTP/2: perhaps the URL is that of another WebSocket.
    Http2(h2::Error),
    /// The other end closed the connection before it said anything.
    Closed,
    /// It took longer than [`Endpoint::connect_timeout`](crate::Endpoint::connect_timeout) allows.
    TimedOut {
        /// What was allowed.
        limit: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebSocket(error) => error.fmt(f),
            Self::Transport(error) => {
                write!(f, "the connection could not be opened: {}", ErrorChain(error))
            }
            #[cfg(feature = "tls")]
            Self::Tls(error) => {
                let error = ErrorChain(error);
                write!(f, "TLS inside the connection could not be set up: {error}")
            }
            Self::Http2(error) => {
                write!(f, "the other end does not speak HTTP/2: {}", ErrorChain(error))
            }
            Self::Closed => f.write_str("the other end closed the connection at once"),
            Self::TimedOut { limit } => {
                write!(f, "the connection was not open after {} s", limit.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why a call was cut.
#[derive(Debug)]
pub(crate) enum CallError {
    /// HTTP/2 says why.
    Http2(h2::Error),
    /// The connection ended, for this reason.
    Ended(Arc<h2::Error>),
    /// The connection was dropped with the call under way.
    Lost,
}

impl CallError {
    /// An error of a stream, or what ended its connection, if that tells more: where a connection ended after the GOAWAY of the
    /// peer, h2 tells its streams of the end only.
    pub(crate) fn of_stream(error: h2::Error, end: &OnceLock<Arc<h2::Error>>) -> Self {
        match end.get() {
            Some(end) if error.is_io() => Self::Ended(Arc::clone(end)),
            _ => Self::Http2(error),
        }
    }

    /// What HTTP/2 says.
    pub(crate) fn http2(&self) -> Option<&h2::Error> {
        match self {
            Self::Http2(error) => Some(error),
            Self::Ended(error) => Some(error),
            Self::Lost => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http2(error) => error.fmt(f),
            Self::Ended(error) => error.fmt(f),
            Self::Lost => f.write_str("nothing was heard of the other end"),
        }
    }
}

impl std::error::Error for CallError {}
