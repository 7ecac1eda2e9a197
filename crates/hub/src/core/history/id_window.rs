use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::core::capacity::is_wasteful;
use crate::core::{PublicationId, Tag};

/// The time for which a history, in whatever store, remembers the id of a publication. Centrifuge's
/// default.
pub const ID_WINDOW: Duration = Duration::from_secs(300);

/// The places of recent publications by the publishers' ids, so that a publication that is
/// published again is found.
#[derive(Clone, Debug, Default)]
pub(super) struct IdWindow {
    places: HashMap<PublicationId, (u64, Tag)>,
    order: VecDeque<(Instant, PublicationId)>,
    bytes: usize,
}

impl IdWindow {
    /// The maximum number of ids. The oldest one is forgotten first.
    pub(super) const COUNT: usize = 4_096;
    /// The maximum sum of the lengths of all ids, in bytes. The oldest one is forgotten first.
    pub(super) const BYTES: usize = 256 << 10;

    pub(super) fn find(&self, id: &PublicationId) -> Option<(u64, Tag)> {
        self.places.get(id).copied()
    }

    /// Remembers an id that is not in the window, unless it alone exceeds the bound in bytes.
    pub(super) fn insert(&mut self, now: Instant, id: PublicationId, offset: u64, tag: Tag) {
        if id.as_str().len() > Self::BYTES {
            return;
        }
        self.bytes += id.as_str().len();
        self.places.insert(id.clone(), (offset, tag));
        self.order.push_back((now, id));
        self.trim(now);
    }

    /// Forgets the ids that are too old or too many.
    pub(super) fn trim(&mut self, now: Instant) {
        while let Some((inserted, _)) = self.order.front() {
            let expired = now.saturating_duration_since(*inserted) >= ID_WINDOW;
            if !expired && self.order.len() <= Self::COUNT && self.bytes <= Self::BYTES {
                break;
            }
            if let Some((_, id)) = self.order.pop_front() {
                self.bytes -= id.as_str().len();
                self.places.remove(&id);
            }
        }
        if is_wasteful(self.order.len(), self.order.capacity()) {
            self.order.shrink_to(self.order.len() * 2);
        }
        if is_wasteful(self.places.len(), self.places.capacity()) {
            self.places.shrink_to(self.places.len() * 2);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the memory of all ids, in bytes: an estimate, in constant time.
    pub(super) fn memory_size(&self) -> usize {
        // A table of hashes has a byte for each place, and uses at most seven of eight.
        let place = size_of::<(PublicationId, (u64, Tag))>() + 1;
        let places = self.places.capacity() * place * 8 / 7;
        let order = self.order.capacity() * size_of::<(Instant, PublicationId)>();
        places + order + self.order.len() * ALLOCATION_SIZE + self.bytes
    }

    /// Returns when the oldest id expires.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.order.front().and_then(|(inserted, _)| inserted.checked_add(ID_WINDOW))
    }
}

/// The counters of references to an id, and the overhead of its allocation, in bytes.
const ALLOCATION_SIZE: usize = 32;
