//! Limits on repeated log lines.

use std::time::{Duration, Instant};

/// Minimum time between two log lines of the same event.
const INTERVAL: Duration = Duration::from_secs(10);

/// A counter of an event that may repeat without end, such as a persistent error of a listener, so
/// that it is logged at intervals, with the number of occurrences.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    logged_at: Option<Instant>,
    times: u64,
}

impl Repeated {
    /// Counts the event. When it is to be logged now, returns the number of occurrences since it
    /// was last logged.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        let waits = |at: Instant| now.saturating_duration_since(at) < INTERVAL;
        if self.logged_at.is_some_and(waits) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_logged_once_in_a_while_with_its_number() {
        let mut repeated = Repeated::default();
        let begin = Instant::now();
        assert_eq!(repeated.count(begin), Some(1));
        for times in 1..10 {
            assert_eq!(repeated.count(begin + times * (INTERVAL / 10)), None);
        }
        assert_eq!(repeated.count(begin + INTERVAL), Some(10));
        assert_eq!(repeated.count(begin + INTERVAL), None);
    }
}
