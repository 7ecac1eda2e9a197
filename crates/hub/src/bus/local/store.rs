use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::core::history::{Appended, Log, Retention};
use crate::core::{Epoch, Publication, RoomName, Tag};
use crate::random;

/// The number of histories that are looked at with each publication, to release what has expired.
/// With two, all are looked at in half as many publications as there are histories.
const SWEPT: usize = 2;

/// The histories of rooms.
///
/// Memory is released while something is published: each publication looks at two other histories.
#[derive(Debug, Default)]
pub(super) struct Store {
    logs: HashMap<RoomName, Log>,
    /// All rooms with a history, in the order in which they are swept.
    sweep: VecDeque<RoomName>,
}

impl Store {
    pub(super) fn append(
        &mut self,
        now: Instant,
        room: &RoomName,
        publication: Arc<Publication>,
        retention: Retention,
    ) -> Appended {
        self.sweep(now);
        // 0 is the tag of no publication.
        let tag = Tag((random::bits() >> 32).max(1));
        self.log(now, room, retention).append(now, publication, tag)
    }

    /// Returns the history of a room, which is created if there is none.
    pub(super) fn log(&mut self, now: Instant, room: &RoomName, retention: Retention) -> &mut Log {
        if !self.logs.contains_key(room) {
            self.sweep.push_back(room.clone());
        }
        self.logs
            .entry(room.clone())
            .or_insert_with(|| Log::new(now, Epoch(random::bits()), retention))
    }

    /// Removes the entries of a history.
    pub(super) fn remove(&mut self, room: &RoomName) {
        if let Some(log) = self.logs.get_mut(room) {
            log.remove();
        }
    }

    fn sweep(&mut self, now: Instant) {
        for _ in 0..SWEPT {
            let Some(room) = self.sweep.pop_front() else { return };
            let Some(log) = self.logs.get_mut(&room) else { continue };
            log.trim(now);
            if now.saturating_duration_since(log.last_used()) < Log::KEPT_UNUSED {
                self.sweep.push_back(room);
            } else {
                self.logs.remove(&room);
            }
        }
    }
}
