use std::time::{Duration, Instant};

/// A time that never comes.
const NEVER: Duration = Duration::from_secs(1 << 32);

/// The way of a worker's links to their end: they are told one after the other, and dropped when the time is up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// When those that are left are dropped.
    end: Instant,
    /// The next slot to tell, and when.
    slot: usize,
    at: Instant,
    /// How long after one the next is told.
    interval: Duration,
    /// How many connections there were.
    pub(super) connections: usize,
}

impl Stopping {
    pub(super) fn new(
        now: Instant,
        limit: Duration,
        interval: Duration,
        connections: usize,
    ) -> Self {
        let end = now.checked_add(limit).unwrap_or(now + NEVER);
        Self { end, slot: 0, at: now, interval, connections }
    }

    pub(super) const fn end(&self) -> Instant {
        self.end
    }

    /// When to go on, as long as there is a slot to go on with.
    pub(super) fn next(&self, slots: usize) -> Instant {
        if self.slot < slots { self.at.min(self.end) } else { self.end }
    }

    /// The slot that is due to be told; `slots` is how many there are.
    pub(super) fn pop_due(&mut self, now: Instant, slots: usize) -> Option<usize> {
        if self.slot >= slots || self.at > now {
            return None;
        }
        self.slot += 1;
        Some(self.slot - 1)
    }

    /// There was somebody to tell.
    pub(super) fn on_notified(&mut self) {
        self.at += self.interval;
    }
}
