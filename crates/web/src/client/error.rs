//! Errors of opening a connection.

use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt};

use sockeye_proto::ErrorChain;
use sockeye_proto::handshake::RequestError;

use super::reconnect::Event;
use crate::Exception;

/// The error of opening a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The request is invalid; nothing was sent.
    Request(RequestError),
    /// The browser forbids the connection and reports so; nothing was sent. Causes are a `ws` URL
    /// on a page loaded by `https` (mixed content), and the page's own policy
    /// (Content-Security-Policy).
    Security(Exception),
    /// The connection failed, the server did not upgrade it, or the server violated the protocol
    /// during the opening handshake.
    ///
    /// A browser hides which of these happened, so that scripts cannot probe a network; its console
    /// shows more. Some connections that the browser forbids fail in this way as well: in Chromium
    /// 156, connections to ports that are blocked for pages, and, for a [`Client`](crate::Client)
    /// that does not use `WebSocketStream`, connections that a policy forbids.
    Failed,
    /// The connection was not open within the timeout.
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// The browser threw an unexpected exception; `WebSocket` may be unavailable in this
    /// environment.
    Browser(Exception),
    /// The hook of [`Reconnecting::before_attempt`](crate::reconnect::Reconnecting::before_attempt)
    /// failed.
    Hook(HookError),
    /// A [`Reconnecting`](crate::reconnect::Reconnecting) has made the maximum number of attempts
    /// in a row.
    GaveUp {
        /// Number of attempts made.
        attempts: u32,
        /// Outcome of the last attempt: [`Failed`](Event::Failed), [`Lost`](Event::Lost) or
        /// [`Closed`](Event::Closed).
        last: Box<Event>,
    },
}

impl ConnectError {
    /// Returns whether the same attempt may succeed later without any change by the program or the
    /// user.
    ///
    /// | transient | permanent |
    /// |---|---|
    /// | [`Failed`](Self::Failed): a server that is down is indistinguishable from one that refuses permanently, and the former is temporary | an invalid request: [`Request`](Self::Request) |
    /// | [`TimedOut`](Self::TimedOut) | a connection that the browser forbids or does not support: [`Security`](Self::Security), [`Browser`](Self::Browser) |
    /// | a failed hook of [`Reconnecting`](crate::reconnect::Reconnecting): [`Hook`](Self::Hook) | the limit of attempts was reached: [`GaveUp`](Self::GaveUp) |
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed | Self::TimedOut { .. } | Self::Hook(_) => true,
            Self::Request(_) | Self::Security(_) | Self::Browser(_) | Self::GaveUp { .. } => false,
        }
    }
}

/// The error of a hook.
///
/// Two hook errors are equal only if one is a clone of the other, because the type of the inner
/// error is unknown.
#[derive(Clone, Debug)]
pub struct HookError(Arc<dyn error::Error + Send + Sync>);

impl HookError {
    pub(super) fn new(error: Box<dyn error::Error + Send + Sync>) -> Self {
        Self(error.into())
    }
}

impl PartialEq for HookError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for HookError {}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ErrorChain(&*self.0).fmt(f)
    }
}

impl error::Error for HookError {}

impl From<Exception> for ConnectError {
    fn from(exception: Exception) -> Self {
        match exception.name.as_str() {
            // The second name is Firefox's, for connections that a policy forbids.
            "SecurityError" | "NS_ERROR_CONTENT_BLOCKED" => Self::Security(exception),
            _ => Self::Browser(exception),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => write!(f, "the request cannot be made: {error}"),
            Self::Security(exception) => {
                write!(f, "the browser forbids this connection: {exception}")
            }
            Self::Failed => {
                f.write_str("the connection could not be opened; the browser hides the reason")
            }
            Self::TimedOut { after } => write!(f, "no connection within {after:?}"),
            Self::Browser(exception) => write!(f, "the browser refused to connect: {exception}"),
            Self::Hook(error) => write!(f, "the hook before each attempt failed: {error}"),
            Self::GaveUp { attempts, last } => {
                write!(f, "gave up after {attempts} attempts in a row: {last}")
            }
        }
    }
}

impl error::Error for ConnectError {}
