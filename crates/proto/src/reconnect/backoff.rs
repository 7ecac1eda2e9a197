use std::time::Duration;

/// Default of `base`. The jitter halves it on average: long enough for a server that restarts under
/// a supervisor.
const DEFAULT_BASE: Duration = Duration::from_secs(1);

/// Default of `cap`: as long as people wait before they assume a failure.
const DEFAULT_CAP: Duration = Duration::from_secs(30);

/// Default of `max_attempts`. With the default base and cap they take four minutes on average:
/// longer than a restart, shorter than an outage.
const DEFAULT_MAX_ATTEMPTS: u32 = 20;

/// Default of `reset_after`: longer than a server takes to reject a client after the handshake.
const DEFAULT_RESET_AFTER: Duration = Duration::from_secs(10);

/// The delays between attempts to reach a server, and the bounds of a series of attempts:
/// exponential backoff with full jitter (RFC 6455 section 7.2.3).
///
/// The delay before the retry number *n*, from 0, is random between zero and `base` · 2ⁿ, or `cap`
/// where that is less. Clients that lost the same server at the same moment therefore reconnect at
/// different times.
///
/// ```
/// use std::time::Duration;
///
/// use sockeye_proto::reconnect::Backoff;
///
/// let backoff = Backoff::new().cap(Duration::from_secs(300)).max_attempts(None);
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    max_attempts: Option<u32>,
    max_elapsed: Option<Duration>,
    reset_after: Duration,
}

impl Backoff {
    /// Creates the default backoff: 20 attempts, about four minutes in all.
    pub const fn new() -> Self {
        Self {
            base: DEFAULT_BASE,
            cap: DEFAULT_CAP,
            max_attempts: Some(DEFAULT_MAX_ATTEMPTS),
            max_elapsed: None,
            reset_after: DEFAULT_RESET_AFTER,
        }
    }

    /// Sets the maximum of the first delay. Default: 1 s.
    pub const fn base(self, base: Duration) -> Self {
        Self { base, ..self }
    }

    /// Sets the maximum of every delay. Default: 30 s. A delay that the server requests is cut to
    /// this maximum as well, and the jitter is added to it.
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// Sets the maximum number of attempts in a series, including the first one; `None` for no
    /// limit. Default: 20. At least one attempt is made.
    pub const fn max_attempts(self, max_attempts: Option<u32>) -> Self {
        Self { max_attempts, ..self }
    }

    /// Sets the maximum time from the first attempt of a series to the beginning of the last;
    /// `None` for no limit. Default: `None`.
    pub const fn max_elapsed(self, max_elapsed: Option<Duration>) -> Self {
        Self { max_elapsed, ..self }
    }

    /// Sets the minimum time that a connection must have been open for its loss to begin a new
    /// series of attempts. Default: 10 s. A server that accepts connections and closes them at once
    /// is thus not retried forever, nor without delays.
    pub const fn reset_after(self, reset_after: Duration) -> Self {
        Self { reset_after, ..self }
    }

    /// Returns the delay before a retry that follows `earlier` ones in this series: the fraction of
    /// the longest delay that `random`, all 64 bits of it, selects.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use sockeye_proto::reconnect::Backoff;
    ///
    /// assert_eq!(Backoff::new().delay(3, 1 << 63), Duration::from_secs(4));
    /// ```
    //= https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
    //# The first reconnect attempt SHOULD be delayed by a random amount of
    //# time.
    pub fn delay(&self, earlier: u32, random: u64) -> Duration {
        let factor = 1_u32.checked_shl(earlier).unwrap_or(u32::MAX);
        let longest = self.base.saturating_mul(factor).min(self.cap);
        // Delays of more than 64 bits of nanoseconds are over 500 years.
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let nanos = (u128::from(longest) * u128::from(random)) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(longest))
    }

    pub(super) fn is_stable(&self, open: Duration) -> bool {
        open >= self.reset_after
    }

    /// Returns whether another attempt is allowed after `attempts` ones, beginning `elapsed` after
    /// the first.
    pub(super) fn allows(&self, attempts: u32, elapsed: Duration) -> bool {
        self.max_attempts.is_none_or(|max| attempts < max)
            && self.max_elapsed.is_none_or(|max| elapsed <= max)
    }

    /// Returns the sum of `requested`, the minimum delay that the server requests, cut to the cap,
    /// and the random delay of [`Backoff::delay`].
    pub(super) fn delay_at_least(
        &self,
        requested: Duration,
        earlier: u32,
        random: u64,
    ) -> Duration {
        requested.min(self.cap).saturating_add(self.delay(earlier, random))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_longest_wait_doubles_up_to_the_cap() {
        let longest = |earlier| Backoff::new().delay(earlier, u64::MAX);
        let waits: Vec<_> = (0..8).map(|earlier| longest(earlier).as_secs_f64().round()).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!(longest(u32::MAX).as_secs_f64().round().to_bits(), 30_f64.to_bits());
    }

    #[test]
    fn jitter_is_the_whole_of_the_wait() {
        let delay = |random| Backoff::new().delay(3, random);
        assert_eq!(delay(0), Duration::ZERO);
        assert_eq!(delay(1 << 63), 4 * SECOND);
        assert!(delay(u64::MAX) <= 8 * SECOND);
    }

    #[test]
    fn a_requested_delay_is_the_minimum_and_cut_to_the_cap() {
        let backoff = Backoff::new();
        for (requested, least) in [(5, 5), (3600, 30)] {
            let delay = |random| backoff.delay_at_least(requested * SECOND, 0, random);
            assert_eq!(delay(0), least * SECOND);
            assert_eq!(delay(1 << 63), least * SECOND + SECOND / 2);
        }
        let endless = backoff.base(Duration::MAX).cap(Duration::MAX);
        assert_eq!(endless.delay_at_least(Duration::MAX, 9, u64::MAX), Duration::MAX);
    }

    #[test]
    fn attempts_are_bounded_by_number_and_time() {
        let backoff = Backoff::new().max_elapsed(Some(60 * SECOND));
        assert!(backoff.allows(19, 60 * SECOND));
        assert!(!backoff.allows(20, SECOND));
        assert!(!backoff.allows(1, 61 * SECOND));
        assert!(Backoff::new().max_attempts(None).allows(u32::MAX, Duration::MAX));
    }
}
