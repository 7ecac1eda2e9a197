//! How long a channel leaves a server alone that could not be reached.

use std::time::Duration;

use sockeye::backoff::full_jitter;

use crate::clock;

/// Halved on average by the jitter: long enough for a server that restarts under a supervisor.
const DEFAULT_BASE: Duration = Duration::from_secs(1);

/// As long as people wait before they think that nothing happens any more.
const DEFAULT_CAP: Duration = Duration::from_secs(30);

/// The pauses of a [`Channel`](crate::Channel) between attempts to connect: exponential backoff with full jitter.
///
/// The pause after the attempt number *n* that failed in a row, from 0, is random between nothing and `base` · 2ⁿ, or
/// `cap` where that is less. So clients that lost the same server at the same moment come back spread over time.
/// Attempts are not limited in number, since each of them is asked for by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// The defaults.
    pub const fn new() -> Self {
        Self { base: DEFAULT_BASE, cap: DEFAULT_CAP }
    }

    /// The longest first pause. Default: 1 s.
    pub const fn base(self, base: Duration) -> Self {
        Self { base, ..self }
    }

    /// The longest pause of all. Default: 30 s.
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// The pause after an attempt that failed, and `earlier` others in a row before it.
    pub(crate) fn pause(&self, earlier: u32) -> Duration {
        self.jitter(earlier, clock::random())
    }

    /// The part of the longest pause that `random` stands for.
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
