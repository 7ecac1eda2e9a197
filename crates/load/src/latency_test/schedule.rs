//! The schedule of a test, fixed before it begins.

use std::time::Duration;

/// The times at which messages are due, in nanoseconds since the test began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Messages per second on all connections; `None` in a closed loop.
    rate: Option<u64>,
    warm_up: u64,
    end: u64,
}

impl Schedule {
    pub(super) fn new(rate: Option<u64>, warm_up: Duration, duration: Duration) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let end = nanoseconds(warm_up.saturating_add(duration));
        Self { rate, warm_up: nanoseconds(warm_up), end }
    }

    /// Returns the time at which the warm-up ends.
    pub(super) fn warm_up(&self) -> u64 {
        self.warm_up
    }

    /// Returns the time at which the last message is due at the latest.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn is_closed_loop(&self) -> bool {
        self.rate.is_none()
    }

    /// Returns the time at which message `number` of the test is due; `None` after the end, and in
    /// a closed loop.
    pub(super) fn due(&self, number: u64) -> Option<u64> {
        let due = u128::from(number) * 1_000_000_000 / u128::from(self.rate?);
        u64::try_from(due).ok().filter(|due| *due < self.end)
    }

    /// Returns the number of messages of the schedule; 0 in a closed loop.
    pub(super) fn messages(&self) -> u64 {
        let rate = u128::from(self.rate.unwrap_or(0));
        u64::try_from((u128::from(self.end) * rate).div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// Returns the number of messages that count; 0 in a closed loop.
    pub(super) fn counted_messages(&self) -> u64 {
        let warm_up = Self { end: self.warm_up, ..*self };
        self.messages() - warm_up.messages()
    }

    /// Returns whether a message that was due at `due` counts.
    pub(super) fn is_counted(&self, due: u64) -> bool {
        (self.warm_up..self.end).contains(&due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_as_many_messages_as_are_due_before_its_end() {
        for rate in [1, 3, 7, 1000, 999_983] {
            let warm_up = Duration::from_millis(123);
            let schedule = Schedule::new(Some(rate), warm_up, Duration::from_millis(877));
            let messages = schedule.messages();
            assert!(schedule.due(messages - 1).is_some() && schedule.due(messages).is_none());
            assert!(messages == rate || messages == rate + 1, "{messages} at {rate}");
        }
        let counted = Schedule::new(Some(1000), Duration::from_secs(1), Duration::from_secs(2));
        let due = (0..).map_while(|number| counted.due(number));
        assert_eq!(due.filter(|due| counted.is_counted(*due)).count(), 2000);
        assert_eq!(counted.counted_messages(), 2000);
    }

    #[test]
    fn a_closed_loop_has_no_schedule() {
        let schedule = Schedule::new(None, Duration::ZERO, Duration::from_secs(1));
        assert!(schedule.is_closed_loop());
        assert_eq!((schedule.due(0), schedule.messages()), (None, 0));
    }
}
