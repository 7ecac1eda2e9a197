use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use crate::core::history::{Appended, Log, Page, Range, Retention};
use crate::core::{Epoch, Position, Publication, RoomName, Tag};
use crate::random;

/// The number of histories that are looked at with each publication and each new history, to
/// release what has expired. With two, all are looked at in half as many steps as there are
/// histories: of those that were never published to, at most half are not subscribed.
const SWEPT: usize = 2;

/// The histories of rooms.
///
/// Only publications and subscriptions create histories. The epoch of a room without a history is
/// computed from its name, so that reading it stores nothing, and its first publication follows the
/// position that was read.
///
/// Memory is released while something is published or created: each step looks at two histories.
/// A history without subscriber is removed if nothing was ever published to it, or after
/// [`Log::KEPT_UNUSED`].
#[derive(Debug, Default)]
pub(super) struct Store {
    logs: HashMap<RoomName, Log>,
    /// All rooms with a history, in the order in which they are swept.
    sweep: VecDeque<RoomName>,
    /// The random keys of the epochs.
    epochs: RandomState,
    /// The number of times that the epochs of all rooms without a history were replaced: whenever a
    /// removed history would make readers from before its first publication miss it silently.
    generation: u64,
}

impl Store {
    pub(super) fn append(
        &mut self,
        now: Instant,
        room: &RoomName,
        publication: Arc<Publication>,
        retention: Retention,
        is_subscribed: impl Fn(&RoomName) -> bool,
    ) -> Appended {
        self.sweep(now, is_subscribed);
        // 0 is the tag of no publication.
        let tag = Tag((random::bits() >> 32).max(1));
        self.log(now, room, retention).append(now, publication, tag)
    }

    /// Returns the position of a room that is subscribed to, and keeps it.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        room: &RoomName,
        retention: Retention,
        is_subscribed: impl Fn(&RoomName) -> bool,
    ) -> Position {
        if !self.logs.contains_key(room) {
            self.sweep(now, is_subscribed);
        }
        self.log(now, room, retention).top()
    }

    pub(super) fn read(
        &mut self,
        now: Instant,
        room: &RoomName,
        retention: Retention,
        range: Range,
    ) -> Page {
        match self.logs.get_mut(room) {
            Some(log) => log.read(now, range),
            None => Log::new(now, self.first_epoch(room), retention).read(now, range),
        }
    }

    pub(super) fn top(&self, room: &RoomName) -> Position {
        let start = || Position { epoch: self.first_epoch(room), offset: 0, tag: Tag::NONE };
        self.logs.get(room).map_or_else(start, Log::top)
    }

    pub(super) fn replace_epoch(&mut self, room: &RoomName, expected: Epoch) -> Position {
        if let Some(log) = self.logs.get_mut(room).filter(|log| log.top().offset > 0) {
            return log.replace_epoch(expected, Epoch(random::bits()));
        }
        if self.top(room).epoch == expected {
            self.generation += 1;
            let epoch = self.first_epoch(room);
            if let Some(log) = self.logs.get_mut(room) {
                log.replace_epoch(expected, epoch);
            }
        }
        self.top(room)
    }

    /// Removes the entries of a history.
    pub(super) fn remove(&mut self, room: &RoomName) {
        if let Some(log) = self.logs.get_mut(room) {
            log.remove();
        }
    }

    /// Returns the history of a room, which is created if there is none.
    fn log(&mut self, now: Instant, room: &RoomName, retention: Retention) -> &mut Log {
        let epoch = self.first_epoch(room);
        if !self.logs.contains_key(room) {
            self.sweep.push_back(room.clone());
        }
        self.logs.entry(room.clone()).or_insert_with(|| Log::new(now, epoch, retention))
    }

    /// Returns the epoch of a room that has no history.
    fn first_epoch(&self, room: &RoomName) -> Epoch {
        Epoch(self.epochs.hash_one((self.generation, room)))
    }

    fn sweep(&mut self, now: Instant, is_subscribed: impl Fn(&RoomName) -> bool) {
        for _ in 0..SWEPT {
            let Some(room) = self.sweep.pop_front() else { return };
            let Some(log) = self.logs.get_mut(&room) else { continue };
            log.trim(now);
            let is_published = log.top().offset > 0;
            let unused = now.saturating_duration_since(log.last_used());
            if is_subscribed(&room) || (is_published && unused < Log::KEPT_UNUSED) {
                self.sweep.push_back(room);
            } else {
                self.logs.remove(&room);
                self.generation += u64::from(is_published);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::history::{GapReason, Limit};

    const ALL: Range = Range::forwards(Limit::NONE);

    fn room(number: usize) -> RoomName {
        RoomName::new(&format!("room{number}")).unwrap()
    }

    /// Publishes while only one room is subscribed to.
    fn append(store: &mut Store, now: Instant, room: &RoomName, subscribed: usize) -> Position {
        let publication = Arc::new(Publication::new("hello"));
        let is_subscribed = |room: &RoomName| *room == self::room(subscribed);
        store.append(now, room, publication, Retention::default(), is_subscribed).position
    }

    #[test]
    fn reading_a_room_without_history_stores_nothing_and_its_position_counts() {
        let (mut store, now) = (Store::default(), Instant::now());
        let start = store.top(&room(0));
        for number in 0..100 {
            let page = store.read(now, &room(number), Retention::default(), ALL);
            assert_eq!(page.top, store.top(&room(number)));
        }
        assert_eq!((store.logs.len(), store.sweep.len()), (0, 0));
        assert_ne!(start.epoch, store.top(&room(1)).epoch);
        append(&mut store, now, &room(0), 0);
        let page = store.read(now, &room(0), Retention::default(), ALL);
        assert_eq!(page.after(&start).map(<[_]>::len), Ok(1));
    }

    #[test]
    fn only_subscribed_rooms_without_publications_are_kept() {
        let (mut store, now) = (Store::default(), Instant::now());
        let kept = |room: &RoomName| *room == self::room(0);
        let start = store.keep(now, &room(0), Retention::default(), kept);
        // A history that is removed replaces the epochs of rooms without one.
        append(&mut store, now, &room(1), 0);
        let later = now + Log::KEPT_UNUSED;
        for number in 2..1_000 {
            store.keep(later, &room(number), Retention::default(), kept);
        }
        assert!(store.logs.len() <= 4 && store.sweep.len() <= 4, "{}", store.logs.len());
        assert!(store.generation > 0);
        assert_eq!(store.top(&room(0)), start);
        append(&mut store, later, &room(0), 0);
        let page = store.read(later, &room(0), Retention::default(), ALL);
        assert_eq!(page.after(&start).map(<[_]>::len), Ok(1));
    }

    #[test]
    fn the_position_before_a_removed_history_is_a_gap() {
        let (mut store, now) = (Store::default(), Instant::now());
        let start = store.top(&room(0));
        append(&mut store, now, &room(0), 1);
        let later = now + Log::KEPT_UNUSED;
        append(&mut store, later, &room(1), 1);
        let page = store.read(later, &room(0), Retention::default(), ALL);
        assert_eq!(page.after(&start), Err(GapReason::Epoch));
    }

    #[test]
    fn an_epoch_is_replaced_with_and_without_a_history() {
        let (mut store, now) = (Store::default(), Instant::now());
        for is_kept in [false, true] {
            let start = store.top(&room(0));
            if is_kept {
                store.keep(now, &room(0), Retention::default(), |_| true);
            }
            let replaced = store.replace_epoch(&room(0), start.epoch);
            assert_ne!(replaced.epoch, start.epoch);
            assert_eq!(store.replace_epoch(&room(0), start.epoch), replaced);
            assert_eq!(store.top(&room(0)), replaced);
        }
    }
}
