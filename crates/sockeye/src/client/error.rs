//! Why a client got no connection.

use std::time::Duration;
use std::{error, fmt, io};

use sockeye_proto::handshake::{HandshakeError, RequestError};

use super::proxy::{ProxyUrlError, TunnelError};
use super::reconnect::Event;
use super::{FailedAttempt, RedirectError, Stage};
use crate::opening::HeadError;

/// Why a client got no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The program asked for what cannot be had; nothing was sent.
    Request(RequestError),
    /// A variable of the environment names a proxy that cannot be used; nothing was sent.
    ProxyVariable {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong with its value.
        source: ProxyUrlError,
    },
    /// The name has no address.
    Resolve {
        /// The name of the host, or of the proxy where there is one.
        host: String,
        /// The resolver's reason.
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
        /// The system's reason.
        source: io::Error,
    },
    /// The proxy did not connect us to the host.
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// The proxy's reason, or ours.
        source: TunnelError,
    },
    /// The TLS handshake failed. Where a certificate is to blame, the error within is a `rustls::Error`.
    Tls {
        /// The name that the server has to prove.
        host: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The URL asks for TLS, and the feature `tls` is off.
    TlsDisabled,
    /// The server speaks TLS, and not HTTP/2 within.
    NoHttp2 {
        /// The server's name.
        host: String,
    },
    /// The server speaks HTTP/2, and does not allow WebSockets on it (RFC 8441 section 3).
    NoExtendedConnect,
    /// The WebSocket was asked for on an HTTP/2 connection to another server; nothing was sent.
    OtherServer {
        /// The host and the port that were asked for.
        asked: String,
        /// Those of the connection.
        connected: String,
    },
    /// The transport failed during the opening handshake.
    Io(io::Error),
    /// The server did not upgrade the connection, or broke a rule while it did.
    Handshake(HandshakeError),
    /// The server sent us elsewhere, and that is not to be followed.
    Redirect(RedirectError),
    /// What [`Reconnecting::before_attempt`](crate::reconnect::Reconnecting::before_attempt) calls failed.
    Hook(Box<dyn error::Error + Send + Sync>),
    /// A [`Reconnecting`](crate::reconnect::Reconnecting) has made as many attempts in a row as it may.
    GaveUp {
        /// How many were made.
        attempts: u32,
        /// What the last one came to: [`Failed`](Event::Failed), [`Lost`](Event::Lost) or [`Closed`](Event::Closed).
        last: Box<Event>,
    },
    /// The deadline for the whole of it passed.
    TimedOut {
        /// What was being waited for.
        stage: Stage,
        /// The time that all stages had together.
        after: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(_) => f.write_str("the request cannot be made"),
            Self::ProxyVariable { variable, .. } => {
                write!(f, "the variable {variable} does not name a proxy that can be used")
            }
            Self::Resolve { host, .. } => write!(f, "the host `{host}` was not found"),
            Self::Connect { authority, attempts } => {
                write!(f, "could not connect to {authority}")?;
                // One reason is the source; several are told here.
                if attempts.len() > 1 {
                    let reasons: Vec<_> = attempts.iter().map(ToString::to_string).collect();
                    write!(f, " ({})", reasons.join("; "))?;
                }
                Ok(())
            }
            #[cfg(unix)]
            Self::Unix { path, .. } => write!(f, "could not connect to {}", path.display()),
            Self::Proxy { proxy, .. } => {
                write!(f, "the proxy {proxy} did not connect us to the host")
            }
            Self::Tls { host, .. } => write!(f, "the TLS handshake with `{host}` failed"),
            Self::TlsDisabled => f.write_str("wss needs the feature `tls`, which is off"),
            Self::NoHttp2 { host } => write!(f, "`{host}` does not speak HTTP/2"),
            Self::NoExtendedConnect => f.write_str("the server allows no WebSockets over HTTP/2"),
            Self::OtherServer { asked, connected } => {
                write!(f, "the connection is to {connected}, not to {asked}, by one scheme")
            }
            Self::Io(_) => f.write_str("the transport failed during the opening handshake"),
            Self::Handshake(_) => f.write_str("the opening handshake failed"),
            Self::Redirect(_) => f.write_str("the server's redirect cannot be followed"),
            Self::Hook(_) => f.write_str("what is called before each attempt failed"),
            Self::GaveUp { attempts, .. } => {
                write!(f, "gave up after {attempts} attempts in a row")
            }
            Self::TimedOut { stage, after } => {
                write!(f, "no connection within {after:?}: {stage} did not finish")
            }
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Request(source) => Some(source),
            Self::Resolve { source, .. } | Self::Tls { source, .. } | Self::Io(source) => {
                Some(source)
            }
            #[cfg(unix)]
            Self::Unix { source, .. } => Some(source),
            Self::ProxyVariable { source, .. } => Some(source),
            Self::Connect { attempts, .. } => {
                attempts.last().map(|attempt| &attempt.error as &(dyn error::Error + 'static))
            }
            Self::Proxy { source, .. } => Some(source),
            Self::Handshake(source) => Some(source),
            Self::Redirect(source) => Some(source),
            Self::Hook(source) => Some(&**source),
            Self::GaveUp { last, .. } => match &**last {
                Event::Failed(source) => Some(source),
                Event::Lost(source) => Some(source),
                _ => None,
            },
            Self::TlsDisabled
            | Self::NoHttp2 { .. }
            | Self::NoExtendedConnect
            | Self::OtherServer { .. }
            | Self::TimedOut { .. } => None,
        }
    }
}

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
