use std::mem;

use sockeye_proto::{Kind, Role};

use super::recorded::{RoleMetrics, count_dropped_full};

/// The counts of a worker of the handler server, until the worker flushes them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: [Count; 2],
    sent: [Count; 2],
    wire_received: u64,
    wire_sent: u64,
    /// Messages dropped because unwritten output had reached its limit.
    dropped: u64,
}

/// The count and total length of messages of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    messages: u64,
    bytes: u64,
}

impl Counts {
    #[inline]
    pub(crate) fn count_received(&mut self, kind: Kind, length: usize) {
        self.received[kind as usize].add(1, length as u64);
    }

    /// Counts a sent message, in `wire` bytes of frames.
    #[inline]
    pub(crate) fn count_sent(&mut self, kind: Kind, length: usize, wire: usize) {
        self.sent[kind as usize].add(1, length as u64);
        self.wire_sent += wire as u64;
    }

    #[inline]
    pub(crate) fn count_wire_received(&mut self, length: usize) {
        self.wire_received += length as u64;
    }

    #[inline]
    pub(crate) fn count_dropped(&mut self) {
        self.dropped += 1;
    }

    /// Counts as dropped the messages that `unsent` counts as sent.
    pub(crate) fn count_all_dropped(&mut self, unsent: &Self) {
        self.dropped += unsent.sent.iter().map(|count| count.messages).sum::<u64>();
    }

    #[inline]
    pub(crate) fn add(&mut self, other: &Self) {
        for kind in 0..2 {
            self.received[kind].add(other.received[kind].messages, other.received[kind].bytes);
            self.sent[kind].add(other.sent[kind].messages, other.sent[kind].bytes);
        }
        self.wire_received += other.wire_received;
        self.wire_sent += other.wire_sent;
        self.dropped += other.dropped;
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Adds all counts to the metrics, and resets them.
    pub(crate) fn flush(&mut self, role: Role) {
        let Self { received, sent, wire_received, wire_sent, dropped: full } = self.take();
        if wire_received + wire_sent + full == 0 {
            return;
        }
        let role_metrics = RoleMetrics::of(role);
        for kind in [Kind::Text, Kind::Binary] {
            role_metrics.add_received(
                kind,
                received[kind as usize].messages,
                received[kind as usize].bytes,
            );
            role_metrics.add_sent(kind, sent[kind as usize].messages, sent[kind as usize].bytes);
        }
        role_metrics.add_wire(wire_received, wire_sent);
        if full > 0 {
            count_dropped_full(full);
        }
    }
}

impl Count {
    #[inline]
    fn add(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
    }
}
