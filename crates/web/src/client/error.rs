//! Why a client got no connection.

use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt};

use sockeye_proto::ErrorChain;
use sockeye_proto::handshake::RequestError;

use super::reconnect::Event;
use crate::Exception;

/// Why a client got no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The program asked for what cannot be had; nothing was sent.
    Request(RequestError),
    /// The browser's rules forbid it, and it says so; nothing was sent. That is a `ws` URL on a page that came by `https` (mixed
    /// content), and what the page's own policy forbids (Content-Security-Policy).
    Security(Exception),
    /// There was no connection, or the server did not upgrade it, or broke a rule while it did.
    ///
    /// A browser hides which of them it was, so that scripts cannot explore a network; its console shows more. Some of what
    /// it forbids looks like this as well: in Chromium 156, ports that no page may connect to, and what a policy forbids to a
    /// [`Client`](crate::Client) that does without `WebSocketStream`.
    Failed,
    /// The deadline passed.
    TimedOut {
        /// The time that there was.
        after: Duration,
    },
    /// The browser threw what it should not: here may be no WebSocket.
    Browser(Exception),
    /// What [`Reconnecting::before_attempt`](crate::reconnect::Reconnecting::before_attempt) calls failed.
    Hook(HookError),
    /// A [`Reconnecting`](crate::reconnect::Reconnecting) has made as many attempts in a row as it may.
    GaveUp {
        /// How many were made.
        attempts: u32,
        /// What the last one came to: [`Failed`](Event::Failed), [`Lost`](Event::Lost) or [`Closed`](Event::Closed).
        last: Box<Event>,
    },
}

impl ConnectError {
    /// Whether the same attempt may succeed later without anybody changing anything.
    ///
    /// | transient | not |
    /// |---|---|
    /// | [`Failed`](Self::Failed): a server that is down looks like one that refuses for good, and the first is what passes | what the program asked for: [`Request`](Self::Request) |
    /// | [`TimedOut`](Self::TimedOut) | what the browser forbids or has not: [`Security`](Self::Security), [`Browser`](Self::Browser) |
    /// | a hook of [`Reconnecting`](crate::reconnect::Reconnecting) that failed: [`Hook`](Self::Hook) | having given up: [`GaveUp`](Self::GaveUp) |
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed | Self::TimedOut { .. } | Self::Hook(_) => true,
            Self::Request(_) | Self::Security(_) | Self::Browser(_) | Self::GaveUp { .. } => false,
        }
    }
}

/// What a hook failed with, in its own words.
///
/// Two of them are equal only if one is a clone of the other, as nothing else is known of what is inside.
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
            // The second is Firefox's, for what a policy forbids.
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
            Self::Failed => f.write_str("no connection, for a reason that the browser hides"),
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
