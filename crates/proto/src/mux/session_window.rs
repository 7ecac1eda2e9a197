use super::Violation;

/// The limit of the data that the peer sends on all streams.
#[derive(Debug)]
pub(super) struct SessionWindow {
    window: u64,
    /// Length of the data that has arrived, in bytes.
    received: u64,
    /// Length of the data that was read or discarded, in bytes.
    read: u64,
    /// Limit of `received`, as the peer knows it.
    limit: u64,
}

impl SessionWindow {
    pub(super) const fn new(window: u64) -> Self {
        Self { window, received: 0, read: 0, limit: window }
    }

    /// Returns the length of the data that was not read, in bytes.
    pub(super) const fn unread(&self) -> u64 {
        self.received - self.read
    }

    /// Counts data that has arrived.
    pub(super) const fn on_received(&mut self, length: u64) -> Result<(), Violation> {
        let total = self.received.saturating_add(length);
        if total > self.limit {
            return Err(Violation::SessionFlowControl { total, limit: self.limit });
        }
        self.received = total;
        Ok(())
    }

    /// Counts data that was read or discarded.
    pub(super) const fn on_read(&mut self, length: u64) {
        self.read += length;
    }

    /// Returns whether a `MAX_DATA` frame is due: whether the peer may send less than half of the
    /// free part of the window. Unread data reduces that part, and nothing else would raise a limit
    /// that streams whose programs read nothing have used up.
    pub(super) const fn needs_update(&self) -> bool {
        let free = self.window - self.unread();
        let known = self.limit - self.received;
        known < free && known <= free / 2
    }

    /// Returns the limit for a `MAX_DATA` frame that is sent now.
    pub(super) const fn announce(&mut self) -> u64 {
        self.limit = self.read + self.window;
        self.limit
    }
}

/// The limit of the data that this end sends on all streams.
#[derive(Debug, Default)]
pub(super) struct SessionCredit {
    sent: u64,
    limit: u64,
    /// The limit that the peer was told to be too low.
    reported: Option<u64>,
}

impl SessionCredit {
    pub(super) const fn free(&self) -> u64 {
        self.limit - self.sent
    }

    pub(super) const fn on_sent(&mut self, length: u64) {
        self.sent += length;
    }

    /// Applies a limit of the peer. Returns whether it has risen.
    pub(super) fn on_limit(&mut self, limit: u64) -> bool {
        let risen = limit > self.limit;
        self.limit = self.limit.max(limit);
        risen
    }

    /// Returns the limit for a `DATA_BLOCKED` frame, once for each limit.
    pub(super) fn report_blocked(&mut self) -> Option<u64> {
        let is_new = self.free() == 0 && self.reported != Some(self.limit);
        is_new.then(|| {
            self.reported = Some(self.limit);
            self.limit
        })
    }
}
