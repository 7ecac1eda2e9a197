use std::time::Duration;

use super::Backoff;

/// The attempts in a row to open a connection: how many there were, and whether and when there may be another one.
///
/// ```text
/// begin ──► attempt ──┬─► it failed ──────────────────────┬─► again ──► after a pause, attempt
///                     └─► it was open ──► left, its end ──┘         └─► None: there were enough
/// ```
///
/// A row begins with the first attempt, and after a connection that was [good enough](Backoff::reset_after). Times are
/// durations since a moment that the caller chose once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempts {
    backoff: Backoff,
    /// In this row, the one under way included.
    count: u32,
    /// Pauses in this row.
    pauses: u32,
    /// When this row began.
    began: Option<Duration>,
}

impl Attempts {
    /// None were made.
    pub const fn new(backoff: Backoff) -> Self {
        Self { backoff, count: 0, pauses: 0, began: None }
    }

    /// What bounds them.
    pub const fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// Bounds what follows otherwise than what was.
    pub const fn set_backoff(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }

    /// How many there were in this row, the one that is planned or under way included.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Plans the first attempt, which is made at once.
    pub fn begin(&mut self, now: Duration) {
        self.count = self.count.saturating_add(1);
        self.began.get_or_insert(now);
    }

    /// Takes note of the end of a connection that was open for so long. If that was long enough, the next attempt begins
    /// a new row.
    pub fn left(&mut self, open: Duration) {
        if self.backoff.is_stable(open) {
            *self = Self::new(self.backoff);
        }
    }

    /// Plans the next attempt: after the pause that is given back, or not at all when there were enough.
    ///
    /// `asked` is the least pause that the server asks for, of which no more is granted than [`Backoff::cap`]; the jitter
    /// comes on top of it. `random` is 64 random bits.
    pub fn again(&mut self, now: Duration, asked: Duration, random: u64) -> Option<Duration> {
        let pause = self.backoff.pause(self.pauses, asked, random);
        let elapsed = self.began.map_or(Duration::ZERO, |began| now.saturating_sub(began));
        if !self.backoff.allows(self.count, elapsed.saturating_add(pause)) {
            return None;
        }
        self.pauses = self.pauses.saturating_add(1);
        self.begin(now);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn again(attempts: &mut Attempts, now: Duration) -> Option<Duration> {
        attempts.again(now, Duration::ZERO, u64::MAX).map(|pause| pause + Duration::from_nanos(1))
    }

    #[test]
    fn pauses_double_within_a_row_and_begin_anew_after_a_good_connection() {
        let mut attempts = Attempts::new(Backoff::new());
        attempts.begin(Duration::ZERO);
        for (count, pause) in [(2, 1), (3, 2), (4, 4)] {
            assert_eq!(again(&mut attempts, Duration::ZERO), Some(pause * SECOND));
            assert_eq!(attempts.count(), count);
        }
        attempts.left(9 * SECOND);
        assert_eq!(again(&mut attempts, Duration::ZERO), Some(8 * SECOND));
        assert_eq!(attempts.count(), 5);
        attempts.left(10 * SECOND);
        assert_eq!(again(&mut attempts, Duration::ZERO), Some(SECOND));
        assert_eq!(attempts.count(), 1);
    }

    #[test]
    fn a_row_ends_with_the_greatest_number_of_attempts() {
        let mut attempts = Attempts::new(Backoff::new().max_attempts(Some(2)));
        attempts.begin(Duration::ZERO);
        assert!(again(&mut attempts, Duration::ZERO).is_some());
        assert_eq!(again(&mut attempts, Duration::ZERO), None);
        assert_eq!(attempts.count(), 2);
        attempts.left(10 * SECOND);
        assert!(again(&mut attempts, Duration::ZERO).is_some());
    }

    #[test]
    fn the_time_of_a_row_runs_from_its_first_attempt() {
        let backoff = Backoff::new().base(SECOND).cap(SECOND).max_elapsed(Some(10 * SECOND));
        let mut attempts = Attempts::new(backoff.max_attempts(None));
        attempts.begin(100 * SECOND);
        assert_eq!(again(&mut attempts, 109 * SECOND), Some(SECOND));
        assert_eq!(again(&mut attempts, 110 * SECOND), None);
        // A new row has its own.
        attempts.left(10 * SECOND);
        assert_eq!(again(&mut attempts, 200 * SECOND), Some(SECOND));
        assert_eq!(again(&mut attempts, 209 * SECOND), Some(SECOND));
        assert_eq!(again(&mut attempts, 210 * SECOND), None);
        // A clock that went back harms nothing.
        assert_eq!(again(&mut attempts, Duration::ZERO), Some(SECOND));
    }
}
