use super::super::Dropped;
use crate::metrics::Reason;

/// The messages that were written, lost with the connection, or dropped by a policy. A message is
/// counted in exactly one of `sent` and `dropped`.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of the first message that the writer has taken but not yet written.
    in_flight: Option<u64>,
    /// The number of the first message that is lost with the connection.
    lost: Option<u64>,
    sent: u64,
    dropped: Dropped,
}

impl Progress {
    /// Records that the writer has taken messages, beginning with this one.
    pub(super) const fn on_taken(&mut self, first: Option<u64>) {
        self.in_flight = first;
    }

    /// Records that the taken messages are written.
    pub(super) const fn on_written(&mut self, messages: u64) {
        self.in_flight = None;
        self.sent += messages;
    }

    /// Records that the taken messages will not be written completely.
    pub(super) fn on_taken_lost(&mut self, messages: u64) {
        self.count_dropped(Reason::Unsent, messages);
        if let Some(first) = self.in_flight.take() {
            self.on_lost(first);
        }
    }

    /// Records that this message and those after it will not be written.
    pub(super) fn on_lost(&mut self, first: u64) {
        self.lost = Some(self.lost.map_or(first, |lost| lost.min(first)));
    }

    pub(super) fn count_dropped(&mut self, reason: Reason, messages: u64) {
        self.dropped.count(reason, messages);
    }

    /// Returns whether a message before `end` is lost.
    pub(super) fn is_lost(&self, end: u64) -> bool {
        self.lost.is_some_and(|lost| lost < end)
    }

    /// Returns the number of the first message that is not written; `first_queued` is the first
    /// that the writer has not taken.
    pub(super) fn first_unwritten(&self, first_queued: u64) -> u64 {
        self.in_flight.unwrap_or(first_queued)
    }

    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) const fn dropped(&self) -> Dropped {
        self.dropped
    }
}
