//! The times at which messages in flight were queued, for their latency.

use std::time::Instant;

use crate::report::Counts;

/// The time at which each message in flight of a connection was queued: message `n` is at `n`
/// modulo the number of messages in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    queued_at: Vec<Instant>,
    next: usize,
}

impl InFlight {
    /// Creates a record of `messages` messages that are queued now.
    pub(crate) fn new(messages: usize) -> Self {
        Self { queued_at: vec![Instant::now(); messages], next: 0 }
    }

    /// Counts `replies` replies to the oldest messages, complete at `now`, when the same number of
    /// new messages is queued.
    pub(crate) fn replace(&mut self, replies: u64, now: Instant, counts: &mut Counts) {
        let mut left = replies;
        while left > 0 {
            // Messages that were queued together mostly come back together, and are recorded at
            // once.
            let from = self.queued_at[self.next];
            let mut same = 0;
            while same < left && self.queued_at[self.next] == from {
                self.queued_at[self.next] = now;
                self.next += 1;
                if self.next == self.queued_at.len() {
                    self.next = 0;
                }
                same += 1;
            }
            counts.reply(from, now, same);
            left -= same;
        }
    }
}
