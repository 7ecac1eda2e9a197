use crate::metrics::{self, Reason};

/// Numbers of dropped messages, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Messages dropped by [`WhenFull::DropNewest`](super::WhenFull::DropNewest), or by
    /// [`WhenFull::DropOldest`](super::WhenFull::DropOldest) when no older one waited.
    pub newest: u64,
    /// Messages dropped by [`WhenFull::DropOldest`](super::WhenFull::DropOldest).
    pub oldest: u64,
    /// Messages replaced by [`Sender::send_latest`](super::Sender::send_latest).
    pub replaced: u64,
    /// Messages dropped because the connection ended before they were written.
    pub unsent: u64,
}

impl Dropped {
    /// Returns the number of all dropped messages.
    pub const fn total(&self) -> u64 {
        self.newest + self.oldest + self.replaced + self.unsent
    }

    pub(super) fn count(&mut self, reason: Reason, messages: u64) {
        *match reason {
            Reason::Newest => &mut self.newest,
            Reason::Oldest => &mut self.oldest,
            Reason::Replaced => &mut self.replaced,
            Reason::Unsent => &mut self.unsent,
        } += messages;
        metrics::count_dropped(reason, messages);
    }
}
