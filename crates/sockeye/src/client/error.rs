//! The reasons why a client could not open a connection.

use std::time::Duration;
use std::{error, fmt, io};

use sockeye_proto::ErrorChain;
use sockeye_proto::handshake::{HandshakeError, RequestError};

use super::proxy::{ProxyUrlError, TunnelError};
use super::reconnect::Event;
use super::{FailedAttempt, RedirectError, Stage};
use crate::opening::HeadError;

/// The reason why a client could not open a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The request is invalid; nothing was sent.
    Request(RequestError),
    /// An environment variable names a proxy that cannot be used; nothing was sent.
    ProxyVariable {
        /// The variable's name.
        variable: &'static str,
        /// The error in the variable's value.
        source: ProxyUrlError,
    },
    /// The host name has no address.
    Resolve {
        /// The name of the host, or of the proxy where there is one.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// No address accepted the connection.
    Connect {
        /// The host and the port, or those of the proxy where there is one.
        authority: String,
        /// Every address that was tried, in the order in which they failed: one at least.
        attempts: Vec<FailedAttempt>,
    },
    /// No server accepts connections at the path of the Unix socket.
    #[cfg(unix)]
    Unix {
        /// The path.
        path: std::path::PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The proxy did not connect the client to the host.
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// The error, of the proxy or of the client.
        source: TunnelError,
    },
    /// The TLS handshake failed. Where a certificate is to blame, the inner error is a
    /// `rustls::Error`.
    Tls {
        /// The name that the server's certificate must be valid for.
        host: String,
        /// The error of the TLS handshake.
        source: io::Error,
    },
    /// The certificates or the key in the client's configuration cannot be used; nothing was sent.
    #[cfg(feature = "tls")]
    TlsConfig(super::TlsConfigError),
    /// The URL requires TLS, and the feature `tls` is off.
    TlsDisabled,
    /// The server speaks TLS, but did not select HTTP/2.
    NoHttp2 {
        /// The server's name.
        host: String,
    },
    /// The server speaks HTTP/2, but does not allow WebSockets on it (RFC 8441 section 3).
    NoExtendedConnect,
    /// The WebSocket was requested on an HTTP/2 connection to another server; nothing was sent.
    OtherServer {
        /// The requested host and port.
        requested: String,
        /// The host and the port of the connection.
        connected: String,
    },
    /// The transport failed during the opening handshake.
    Io(io::Error),
    /// The server did not upgrade the connection, or broke a rule in its response.
    Handshake(HandshakeError),
    /// The server sent a redirect that the client does not follow.
    Redirect(RedirectError),
    /// The hook of [`Reconnecting::before_attempt`](crate::reconnect::Reconnecting::before_attempt)
    /// returned an error.
    Hook(Box<dyn error::Error + Send + Sync>),
    /// A [`Reconnecting`](crate::reconnect::Reconnecting) reached its maximum of attempts in a row.
    GaveUp {
        /// The number of attempts made.
        attempts: u32,
        /// The outcome of the last attempt: [`Failed`](Event::Failed), [`Lost`](Event::Lost) or
        /// [`Closed`](Event::Closed).
        last: Box<Event>,
    },
    /// The timeout for all stages together expired.
    TimedOut {
        /// The stage that was in progress.
        stage: Stage,
        /// The timeout for all stages together.
        after: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(source) => write!(f, "the request cannot be made: {source}"),
            Self::ProxyVariable { variable, source } => {
                write!(
                    f,
                    "the environment variable {variable} does not name a usable proxy: {source}"
                )
            }
            Self::Resolve { host, source } => {
                write!(f, "the host `{host}` was not found: {}", ErrorChain(source))
            }
            Self::Connect { authority, attempts } => {
                write!(f, "could not connect to {authority}: ")?;
                if let [attempt] = &attempts[..] {
                    return attempt.error.fmt(f);
                }
                let reasons: Vec<_> = attempts.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join("; "))
            }
            #[cfg(unix)]
            Self::Unix { path, source } => {
                write!(f, "could not connect to {}: {}", path.display(), ErrorChain(source))
            }
            Self::Proxy { proxy, source } => {
                write!(f, "the proxy {proxy} did not connect to the host: {source}")
            }
            Self::Tls { host, source } => {
                write!(f, "the TLS handshake with `{host}` failed: {}", ErrorChain(source))
            }
            #[cfg(feature = "tls")]
            Self::TlsConfig(source) => write!(f, "TLS cannot be set up: {source}"),
            Self::TlsDisabled => f.write_str("wss needs the feature `tls`, which is off"),
            Self::NoHttp2 { host } => write!(f, "`{host}` does not speak HTTP/2"),
            Self::NoExtendedConnect => f.write_str("the server allows no WebSockets over HTTP/2"),
            Self::OtherServer { requested, connected } => {
                write!(
                    f,
                    "the connection is to {connected}, not to {requested} by the requested scheme"
                )
            }
            Self::Io(source) => {
                write!(
                    f,
                    "the transport failed during the opening handshake: {}",
                    ErrorChain(source)
                )
            }
            Self::Handshake(source) => write!(f, "the opening handshake failed: {source}"),
            Self::Redirect(source) => {
                write!(f, "the server's redirect cannot be followed: {source}")
            }
            Self::Hook(source) => {
                write!(f, "the hook before each attempt failed: {}", ErrorChain(&**source))
            }
            Self::GaveUp { attempts, last } => {
                write!(f, "gave up after {attempts} attempts in a row: {last}")
            }
            Self::TimedOut { stage, after } => {
                write!(f, "no connection within {after:?}: {stage} did not finish")
            }
        }
    }
}

impl error::Error for ConnectError {}

impl From<RequestError> for ConnectError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<RedirectError> for ConnectError {
    fn from(error: RedirectError) -> Self {
        Self::Redirect(error)
    }
}

impl From<HeadError> for ConnectError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Handshake(error) => Self::Handshake(error),
            HeadError::Io(error) => Self::Io(error),
        }
    }
}
