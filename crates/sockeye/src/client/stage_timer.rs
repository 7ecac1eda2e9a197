//! The stages of opening a connection, and their shared timeout.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{Client, ConnectError};
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

/// A function that is called when a stage has succeeded.
#[derive(Clone)]
pub(super) struct StageObserver(Arc<dyn Fn(Stage) + Send + Sync>);

impl fmt::Debug for StageObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StageObserver")
    }
}

impl Client {
    /// Calls `observer` each time that a stage of opening a connection has succeeded, so that a
    /// program can measure the stages. With redirects, stages are passed several times.
    pub fn on_stage(self, observer: impl Fn(Stage) + Send + Sync + 'static) -> Self {
        Self { observer: Some(StageObserver(Arc::new(observer))), ..self }
    }

    /// Begins the stages of a connection.
    pub(super) fn stage_timer(&self) -> StageTimer {
        StageTimer { observer: self.observer.clone(), ..StageTimer::begin(self.timeout) }
    }
}

/// The deadline that all stages share.
pub(super) struct StageTimer {
    deadline: Deadline,
    after: Duration,
    observer: Option<StageObserver>,
}

impl StageTimer {
    pub(super) fn begin(after: Duration) -> Self {
        Self { deadline: Deadline::after(after), after, observer: None }
    }

    pub(super) async fn watch<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let late = Err(ConnectError::TimedOut { stage, after: self.after });
        let result = self.deadline.watch(work).await.unwrap_or(late);
        if let (Ok(_), Some(StageObserver(observer))) = (&result, &self.observer) {
            observer(stage);
        }
        result
    }
}
