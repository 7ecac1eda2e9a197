use std::time::{Duration, Instant};

/// A duration that never passes.
const NEVER: Duration = Duration::from_secs(1 << 32);

/// The shutdown of a worker's connections, which are notified one after the other. The remaining
/// ones are dropped at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// Time at which the remaining connections are dropped.
    end: Instant,
    /// Next slot to notify, and the time for that.
    slot: usize,
    at: Instant,
    /// Interval between two notifications.
    interval: Duration,
    /// Number of connections when the shutdown began.
    pub(super) connections: usize,
}

impl Stopping {
    pub(super) fn new(
        now: Instant,
        timeout: Duration,
        interval: Duration,
        connections: usize,
    ) -> Self {
        let end = now.checked_add(timeout).unwrap_or(now + NEVER);
        Self { end, slot: 0, at: now, interval, connections }
    }

    pub(super) const fn end(&self) -> Instant {
        self.end
    }

    /// Returns the time of the next notification, or the end if there is no slot left to notify.
    pub(super) fn next(&self, slots: usize) -> Instant {
        if self.slot < slots { self.at.min(self.end) } else { self.end }
    }

    /// Returns the slot that is due to be notified; `slots` is the number of slots.
    pub(super) fn pop_due(&mut self, now: Instant, slots: usize) -> Option<usize> {
        if self.slot >= slots || self.at > now {
            return None;
        }
        self.slot += 1;
        Some(self.slot - 1)
    }

    /// Schedules the next notification, after a slot that had a connection.
    pub(super) fn on_notified(&mut self) {
        self.at += self.interval;
    }
}
