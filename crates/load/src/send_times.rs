//! The times at which messages in flight were queued, for their latency.

use std::time::Instant;

use crate::measurement::PhasedRun;

/// The time at which each message in flight of a connection was queued: message `n` is at `n`
/// modulo the number of messages in flight.
#[derive(Debug)]
pub(crate) struct SendTimes {
    times: Vec<Instant>,
    oldest: usize,
}

impl SendTimes {
    /// Creates a record of `messages` messages that are queued now.
    pub(crate) fn new(messages: usize) -> Self {
        Self { times: vec![Instant::now(); messages], oldest: 0 }
    }

    /// Counts `replies` replies to the oldest messages, complete at `now`, when the same number of
    /// new messages is queued.
    pub(crate) fn replace(&mut self, replies: u64, now: Instant, run: &mut PhasedRun) {
        let mut left = replies;
        while left > 0 {
            // Messages that were queued together mostly come back together, and are recorded at
            // once.
            let from = self.times[self.oldest];
            let mut same = 0;
            while same < left && self.times[self.oldest] == from {
                self.times[self.oldest] = now;
                self.oldest += 1;
                if self.oldest == self.times.len() {
                    self.oldest = 0;
                }
                same += 1;
            }
            run.record(from, now, same);
            left -= same;
        }
    }
}
