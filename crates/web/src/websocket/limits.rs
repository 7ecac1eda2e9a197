use std::time::Duration;

/// Interval at which the unsent bytes of a `WebSocket` are polled while they exceed the limit:
/// there is no event for their decrease. HTML, section 8.6, does not let a timer set by a timer
/// fire sooner; timers of a hidden page may fire once a second.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(4);

/// The limits and timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum length of a received message, in bytes.
    pub(crate) message: usize,
    /// Number of bytes that the browser may buffer before sending waits.
    pub(crate) unsent: usize,
    /// Timeout of the closing handshake.
    pub(crate) closing: Duration,
    /// Timeout of unsent bytes without progress; `None` disables it.
    pub(crate) write: Option<Duration>,
}
