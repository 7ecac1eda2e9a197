use std::time::Duration;

use super::Backoff;

/// A series of attempts to open a connection: their number, and whether and when to make another.
///
/// A series begins with the first attempt, and after a connection that was
/// [open long enough](Backoff::reset_after).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempts {
    backoff: Backoff,
    /// Attempts in this series, including the current one.
    count: u32,
    /// Delays in this series.
    delays: u32,
    /// Time of this series' first attempt.
    began: Option<Duration>,
}

impl Attempts {
    /// Creates a series without attempts.
    pub(super) const fn new(backoff: Backoff) -> Self {
        Self { backoff, count: 0, delays: 0, began: None }
    }

    /// Replaces the backoff for later attempts.
    pub(super) const fn set_backoff(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }

    /// Returns the number of attempts in this series, including a planned or current one.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Plans the first attempt, which is made immediately.
    pub(super) fn begin(&mut self, now: Duration) {
        self.count = self.count.saturating_add(1);
        self.began.get_or_insert(now);
    }

    /// Records the end of a connection that was open for the duration `open`. After
    /// [`Backoff::reset_after`] the next attempt begins a new series.
    pub(super) fn on_closed(&mut self, open: Duration) {
        if self.backoff.is_stable(open) {
            *self = Self::new(self.backoff);
        }
    }

    /// Plans the next attempt. Returns the delay before it, or `None` when the [`Backoff`] allows
    /// no more attempts.
    ///
    /// `requested` is the minimum delay that the server requests, capped at [`Backoff::cap`]; the
    /// jitter is added to it. `random` is 64 random bits.
    pub(super) fn next_attempt(
        &mut self,
        now: Duration,
        requested: Duration,
        random: u64,
    ) -> Option<Duration> {
        let delay = self.backoff.delay_at_least(requested, self.delays, random);
        let elapsed = self.began.map_or(Duration::ZERO, |began| now.saturating_sub(began));
        if !self.backoff.allows(self.count, elapsed.saturating_add(delay)) {
            return None;
        }
        self.delays = self.delays.saturating_add(1);
        self.begin(now);
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn next_attempt(attempts: &mut Attempts, now: Duration) -> Option<Duration> {
        attempts
            .next_attempt(now, Duration::ZERO, u64::MAX)
            .map(|delay| delay + Duration::from_nanos(1))
    }

    #[test]
    fn delays_double_within_a_series_and_begin_anew_after_a_good_connection() {
        let mut attempts = Attempts::new(Backoff::new());
        attempts.begin(Duration::ZERO);
        for (count, seconds) in [(2, 1), (3, 2), (4, 4)] {
            assert_eq!(next_attempt(&mut attempts, Duration::ZERO), Some(seconds * SECOND));
            assert_eq!(attempts.count(), count);
        }
        attempts.on_closed(9 * SECOND);
        assert_eq!(next_attempt(&mut attempts, Duration::ZERO), Some(8 * SECOND));
        assert_eq!(attempts.count(), 5);
        attempts.on_closed(10 * SECOND);
        assert_eq!(next_attempt(&mut attempts, Duration::ZERO), Some(SECOND));
        assert_eq!(attempts.count(), 1);
    }

    #[test]
    fn a_series_ends_with_the_maximum_number_of_attempts() {
        let mut attempts = Attempts::new(Backoff::new().max_attempts(Some(2)));
        attempts.begin(Duration::ZERO);
        assert!(next_attempt(&mut attempts, Duration::ZERO).is_some());
        assert_eq!(next_attempt(&mut attempts, Duration::ZERO), None);
        assert_eq!(attempts.count(), 2);
        attempts.on_closed(10 * SECOND);
        assert!(next_attempt(&mut attempts, Duration::ZERO).is_some());
    }

    #[test]
    fn the_time_of_a_series_runs_from_its_first_attempt() {
        let backoff = Backoff::new().base(SECOND).cap(SECOND).max_elapsed(Some(10 * SECOND));
        let mut attempts = Attempts::new(backoff.max_attempts(None));
        attempts.begin(100 * SECOND);
        assert_eq!(next_attempt(&mut attempts, 109 * SECOND), Some(SECOND));
        assert_eq!(next_attempt(&mut attempts, 110 * SECOND), None);
        // A new series has its own time limit.
        attempts.on_closed(10 * SECOND);
        assert_eq!(next_attempt(&mut attempts, 200 * SECOND), Some(SECOND));
        assert_eq!(next_attempt(&mut attempts, 209 * SECOND), Some(SECOND));
        assert_eq!(next_attempt(&mut attempts, 210 * SECOND), None);
        // A clock that went back is harmless.
        assert_eq!(next_attempt(&mut attempts, Duration::ZERO), Some(SECOND));
    }
}
