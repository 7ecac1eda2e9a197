use std::ops::RangeInclusive;
use std::time::Duration;

#[cfg(feature = "axum")]
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
#[cfg(feature = "axum")]
use sockeye_proto::handshake::Refusal;
use sockeye_proto::{CloseCode, CloseFrame, reconnect};

use crate::random;

/// Default of [`Shutdown::timeout`]: the default timeout of one closing handshake.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Default of [`Shutdown::retry_after`]: a new process is available after some seconds.
const DEFAULT_RETRY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10);

/// Maximum interval between two notifications, so that a server with few connections stops quickly.
const MAX_INTERVAL: Duration = Duration::from_millis(10);

/// The parameters of a server's shutdown: the close frames and the timeout.
///
/// Each close frame has a reason such as `retry after 3.4 s`. The delay is drawn anew for every
/// connection, and the close frames leave one after the other, so that the clients of a server do
/// not all reconnect at once.
///
/// ```
/// use std::time::Duration;
/// use sockeye::Shutdown;
///
/// let shutdown = Shutdown::restart()
///     .timeout(Duration::from_secs(25))
///     .retry_after(Duration::from_secs(2)..=Duration::from_secs(30));
/// # let _ = shutdown;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    code: CloseCode,
    pub(crate) timeout: Duration,
    spread: Option<Duration>,
    retry: RangeInclusive<Duration>,
}

impl Shutdown {
    /// Creates a shutdown with the close code 1001 (going away): the server is gone for good, or
    /// its return is unknown.
    pub const fn new() -> Self {
        let (code, timeout) = (CloseCode::GOING_AWAY, DEFAULT_TIMEOUT);
        Self { code, timeout, spread: None, retry: DEFAULT_RETRY }
    }

    /// Creates a shutdown with the close code 1012 (service restart): the server, or another in its
    /// place, will be back.
    pub const fn restart() -> Self {
        Self { code: CloseCode::SERVICE_RESTART, ..Self::new() }
    }

    /// Sets the timeout for closing all connections, after which the remaining ones are dropped.
    /// Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the time over which the close frames are sent. The time is shorter if there is less
    /// than one connection for each 10 ms of it. Default: half of the [`timeout`](Self::timeout),
    /// which is also the maximum.
    pub fn spread(self, spread: Duration) -> Self {
        Self { spread: Some(spread), ..self }
    }

    /// Sets the range of the delays after which clients are asked to come back. Default: 1 s to 10
    /// s.
    pub fn retry_after(self, retry: RangeInclusive<Duration>) -> Self {
        Self { retry, ..self }
    }

    /// Returns the delay after which the server that sent this close frame asks the client to come
    /// back, if the frame has one. For use in clients.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sockeye::{CloseCode, CloseFrame, Shutdown};
    ///
    /// let frame = CloseFrame::new(CloseCode::SERVICE_RESTART, "retry after 3.4 s")?;
    /// assert_eq!(Shutdown::retry_hint(&frame), Some(Duration::from_millis(3400)));
    /// # Ok::<_, sockeye::UsageError>(())
    /// ```
    pub fn retry_hint(frame: &CloseFrame) -> Option<Duration> {
        reconnect::retry_hint(frame)
    }

    /// Returns the interval between two notifications of a shutdown with this number of
    /// connections.
    pub(crate) fn interval(&self, connections: usize) -> Duration {
        let half = self.timeout / 2;
        let spread = self.spread.map_or(half, |spread| spread.min(half));
        let connections = u32::try_from(connections.max(1)).unwrap_or(u32::MAX);
        (spread / connections).min(MAX_INTERVAL)
    }

    /// Returns the close frame of one connection, with a new delay: for programs that close
    /// connections themselves, over a time of their own.
    pub fn close_frame(&self) -> CloseFrame {
        CloseFrame::from(self.code).with_reason(reconnect::hint_reason(self.draw()))
    }

    /// Returns the refusal of one request, with a new delay.
    #[cfg(feature = "axum")]
    pub(crate) fn refusal(&self) -> Refusal {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let retry = HeaderValue::from(self.draw().div_ceil(10));
        Refusal::new(status, "the server is stopping\n").header(RETRY_AFTER, retry)
    }

    /// Draws the delay for one client, in tenths of seconds.
    fn draw(&self) -> u64 {
        let tenths = |time: &Duration| u64::try_from(time.as_millis() / 100).unwrap_or(u64::MAX);
        let (least, most) = (tenths(self.retry.start()), tenths(self.retry.end()));
        let range = most.saturating_sub(least).saturating_add(1);
        least.saturating_add(u64::from_ne_bytes(random::bytes()) % range)
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn hints_are_spread_over_the_range_and_can_be_read_back() {
        let range = Duration::from_millis(500)..=Duration::from_secs(2);
        let shutdown = Shutdown::restart().retry_after(range.clone());
        let hints: HashSet<_> = (0..1000)
            .map(|_| {
                let frame = shutdown.close_frame();
                assert_eq!(frame.code, CloseCode::SERVICE_RESTART);
                assert_eq!(CloseFrame::new(frame.code, frame.reason.clone()).as_ref(), Ok(&frame));
                Shutdown::retry_hint(&frame).unwrap()
            })
            .collect();
        assert!(hints.iter().all(|hint| range.contains(hint)), "{hints:?}");
        assert!(hints.len() > 10, "{hints:?}");
    }

    #[test]
    fn any_range_gives_a_hint() {
        for (range, reason) in [
            (Duration::ZERO..=Duration::ZERO, "retry after 0.0 s"),
            (Duration::from_secs(3)..=Duration::from_secs(1), "retry after 3.0 s"),
        ] {
            assert_eq!(Shutdown::new().retry_after(range).close_frame().reason, reason);
        }
        let frame = Shutdown::new().retry_after(Duration::MAX..=Duration::MAX).close_frame();
        assert!(CloseFrame::new(frame.code, frame.reason).is_ok());
    }

    #[test]
    fn few_are_notified_soon_and_many_within_the_spread() {
        let shutdown = Shutdown::new().timeout(Duration::from_secs(10));
        assert_eq!(shutdown.interval(0), MAX_INTERVAL);
        assert_eq!(shutdown.interval(3), MAX_INTERVAL);
        assert_eq!(shutdown.interval(10_000) * 10_000, Duration::from_secs(5));
        let shutdown = shutdown.spread(Duration::from_secs(1));
        assert_eq!(shutdown.interval(10_000) * 10_000, Duration::from_secs(1));
        let shutdown = shutdown.spread(Duration::MAX);
        assert_eq!(shutdown.interval(10_000) * 10_000, Duration::from_secs(5));
        assert_eq!(shutdown.spread(Duration::ZERO).interval(5), Duration::ZERO);
    }
}
