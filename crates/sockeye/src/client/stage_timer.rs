//! The stages of opening a connection, and their shared timeout.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::ConnectError;
use crate::opening::Deadline;

/// The stages of opening a connection, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The hook of
    /// [`Reconnecting::before_attempt`](crate::reconnect::Reconnecting::before_attempt).
    Hook,
    /// Looking up the addresses of the host, or of the proxy.
    Resolve,
    /// Connecting to one of these addresses.
    Connect,
    /// The proxy's connection to the host.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The beginning of HTTP/2, up to the receipt of the server's settings.
    Http2,
    /// The opening handshake.
    Handshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hook => "the hook before the attempt",
            Self::Resolve => "name resolution",
            Self::Connect => "the TCP connection",
            Self::Proxy => "the connection through the proxy",
            Self::Tls => "the TLS handshake",
            Self::Http2 => "the start of HTTP/2",
            Self::Handshake => "the WebSocket handshake",
        })
    }
}

/// The deadline that all stages share.
pub(super) struct StageTimer {
    deadline: Deadline,
    after: Duration,
}

impl StageTimer {
    pub(super) fn begin(after: Duration) -> Self {
        Self { deadline: Deadline::after(after), after }
    }

    pub(super) async fn watch<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let late = Err(ConnectError::TimedOut { stage, after: self.after });
        self.deadline.watch(work).await.unwrap_or(late)
    }
}
