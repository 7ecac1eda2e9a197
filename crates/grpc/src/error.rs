//! Errors of connections and calls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fmt, io};

use sockeye::ErrorChain;

/// The error of opening a gRPC connection. Calls that waited for the connection fail as
/// [`unavailable`](tonic::Code::Unavailable), with this error as the source of their status.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The WebSocket could not be opened.
    WebSocket(sockeye::ConnectError),
    /// The byte stream could not be opened: the function given to
    /// [`Endpoint::with_connector`](crate::Endpoint::with_connector) failed.
    Transport(io::Error),
    /// TLS inside the byte stream could not be set up: see [`Endpoint::tls`](crate::Endpoint::tls).
    /// If a certificate is the cause, the inner error is a `rustls::Error`.
    #[cfg(feature = "tls")]
    Tls(io::Error),
    /// The peer does not speak HTTP/2: the URL may be that of another kind of WebSocket.
    Http2(h2::Error),
    /// The peer closed the connection before sending anything.
    Closed,
    /// The connection was not open within
    /// [`Endpoint::connect_timeout`](crate::Endpoint::connect_timeout).
    TimedOut {
        /// The timeout.
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
                write!(f, "the peer does not speak HTTP/2: {}", ErrorChain(error))
            }
            Self::Closed => f.write_str("the peer closed the connection at once"),
            Self::TimedOut { limit } => {
                write!(f, "the connection was not open after {} s", limit.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for ConnectError {}

/// The error of a call that was cut off.
#[derive(Debug)]
pub(crate) enum CallError {
    /// An HTTP/2 error of the stream.
    Http2(h2::Error),
    /// The connection ended with this error.
    Ended(Arc<h2::Error>),
    /// The connection was dropped with the call in progress.
    Lost,
}

impl CallError {
    /// Returns the error of a stream, or the error that ended its connection if that is more
    /// specific: where a connection ended after the peer's GOAWAY, h2 reports only the end to its
    /// streams.
    pub(crate) fn of_stream(error: h2::Error, end: &OnceLock<Arc<h2::Error>>) -> Self {
        match end.get() {
            Some(end) if error.is_io() => Self::Ended(Arc::clone(end)),
            _ => Self::Http2(error),
        }
    }

    /// Returns the HTTP/2 error, if any.
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
            Self::Lost => f.write_str("nothing more was received from the peer"),
        }
    }
}

impl std::error::Error for CallError {}

/// The error of a call that never left the program, because the connection was lost on each
/// attempt.
#[derive(Debug)]
pub(crate) struct Unsent(pub(crate) CallError);

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unsent {}
