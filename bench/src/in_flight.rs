//! When messages in flight were queued, for their latency.

use std::time::Instant;

use crate::report::Counts;

/// When each message in flight of a connection was queued: message `n` is at `n` modulo their number.
#[derive(Debug)]
pub(crate) struct InFlight {
    queued_at: Vec<Instant>,
    next: usize,
}

impl InFlight {
    /// `messages` that are queued now.
    pub(crate) fn new(messages: usize) -> Self {
        Self { queued_at: vec![Instant::now(); messages], next: 0 }
    }

    /// Counts `replies` to the oldest that were whole at `now`, when as many new ones are queued.
    pub(crate) fn replace(&mut self, replies: u64, now: Instant, counts: &mut Counts) {
        let mut left = replies;
        while left > 0 {
            // What was queued together mostly comes back together, and is recorded at once.
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
