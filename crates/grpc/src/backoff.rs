//! The backoff of a channel after failed connection attempts.

use std::time::Duration;

use sockeye::backoff::full_jitter;

use crate::clock;

/// Default of [`Backoff::base`]. Halved on average by the jitter: long enough for a server that
/// restarts under a supervisor.
const DEFAULT_BASE: Duration = Duration::from_secs(1);

/// Default of [`Backoff::cap`]: about as long as users wait before they assume that nothing will
/// happen.
const DEFAULT_CAP: Duration = Duration::from_secs(30);

/// The pauses of a [`Channel`](crate::Channel) between attempts to connect: exponential backoff
/// with full jitter.
///
/// The pause after the *n*th failed attempt in a row, counted from 0, is random between zero and
/// `base` · 2ⁿ, or `cap` if that is less, so that clients that lost the same server at the same
/// moment reconnect spread over time. The number of attempts is unlimited, since each attempt is
/// caused by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Returns the default backoff.
    pub const fn new() -> Self {
        Self { base: DEFAULT_BASE, cap: DEFAULT_CAP }
    }

    /// Sets the maximum of the first pause. Default: 1 s.
    pub const fn base(self, base: Duration) -> Self {
        Self { base, ..self }
    }

    /// Sets the maximum of every pause. Default: 30 s.
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// Returns the pause after a failed attempt that `earlier` failed attempts in a row preceded.
    pub(crate) fn pause(&self, earlier: u32) -> Duration {
        self.jitter(earlier, clock::random())
    }

    /// Returns the pause for these random bits.
    fn jitter(&self, earlier: u32, random: u64) -> Duration {
        full_jitter(self.base, self.cap, earlier, random)
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

    #[test]
    fn the_longest_pause_doubles_up_to_the_cap() {
        let longest = |earlier| Backoff::new().jitter(earlier, u64::MAX).as_secs_f64().round();
        let pauses: Vec<_> = (0..7).map(longest).collect();
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(longest(u32::MAX).to_bits(), 30_f64.to_bits());
    }

    #[test]
    fn jitter_is_the_whole_of_the_pause() {
        assert_eq!(Backoff::new().jitter(3, 0), Duration::ZERO);
        assert_eq!(Backoff::new().jitter(3, 1 << 63), Duration::from_secs(4));
    }
}
