#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use super::limits::{LocalLimits, LocalMetrics};
use super::recency::Recency;
use crate::core::capacity::{is_wasteful, shrink};
use crate::core::history::{Appended, Log, Page, Range, Retention};
use crate::core::{Epoch, Position, Publication, RoomName, Tag};
use crate::random;

/// The number of rooms that are looked at with each publication and each new room, to release what
/// has expired: all are looked at in half as many steps as there are rooms.
const SWEPT: usize = 2;

/// The memory of a room without publications beside its name, in bytes. Counted: 330 in the vector,
/// the lists and the map, which are up to half empty.
const ROOM_SIZE: usize = 512;

/// The histories of rooms, within [`LocalLimits`].
///
/// Only publications and subscriptions create histories. The epoch of a room without a history is
/// computed from its name, so that reading it stores nothing, and its first publication follows the
/// position that was read.
///
/// ```text
///                     first publication
///   no history ──────────────────────────────► not subscribed ─────┐
///    ▲  ▲  │                                    │    ▲    30 days  │
///    │  │  │ subscribe                subscribe │    │ unsubscribe │ unused, or evicted
///    │  │  └──────────────► subscribed ◄────────┘    │             │
///    │  │                       │ └──────────────────┘             │
///    │  └───────────────────────┘                                  │
///    │     unsubscribe, never published to                         │
///    └─────────────────────────────────────────────────────────────┘
/// ```
#[derive(Debug)]
pub(super) struct Store {
    limits: LocalLimits,
    slots: HashMap<RoomName, u32>,
    /// The rooms with a history, at their slots.
    rooms: Vec<Room>,
    /// The rooms of which something can be evicted.
    evictable: Recency,
    /// The rooms that are not subscribed to, which can be evicted as a whole.
    unsubscribed: Recency,
    /// The sum of the sizes of all rooms.
    bytes: usize,
    evictions: u64,
    /// The slot that is swept next.
    cursor: usize,
    /// The random keys of the epochs.
    epochs: RandomState,
    /// The number of times that the epochs of all rooms without a history were replaced: whenever a
    /// removed history would make readers from before its first publication miss it silently.
    generation: u64,
}

#[derive(Debug)]
struct Room {
    name: RoomName,
    log: Log,
    is_subscribed: bool,
    /// The memory of the room, as [`Store::bytes`] contains it.
    size: usize,
}

impl Store {
    pub(super) fn new(limits: LocalLimits) -> Self {
        Self {
            limits,
            slots: HashMap::new(),
            rooms: Vec::new(),
            evictable: Recency::default(),
            unsubscribed: Recency::default(),
            bytes: 0,
            evictions: 0,
            cursor: 0,
            epochs: RandomState::new(),
            generation: 0,
        }
    }

    pub(super) fn append(
        &mut self,
        now: Instant,
        room: &RoomName,
        publication: &Publication,
        retention: Retention,
    ) -> Appended {
        self.sweep(now, SWEPT);
        // 0 is the tag of no publication.
        let tag = Tag((random::bits() >> 32).max(1));
        let slot = self.slot(now, room, retention);
        let publication = Arc::new(publication.detached());
        let appended = self.use_log(slot, |log| log.append(now, publication, tag));
        self.evict();
        appended
    }

    /// Returns the position of a room that is subscribed to from now on, and keeps it.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        room: &RoomName,
        retention: Retention,
    ) -> Position {
        if !self.slots.contains_key(room) {
            self.sweep(now, SWEPT);
        }
        let slot = self.slot(now, room, retention);
        self.rooms[slot as usize].is_subscribed = true;
        self.unsubscribed.remove(slot);
        self.settle(slot);
        self.evict();
        self.top(room)
    }

    /// Keeps the history of a room that is not subscribed to any more, if it was published to.
    pub(super) fn unsubscribe(&mut self, room: &RoomName) {
        let Some(slot) = self.slots.get(room).copied() else { return };
        let state = &mut self.rooms[slot as usize];
        state.is_subscribed = false;
        if state.log.top().offset == 0 {
            self.remove_slot(slot);
        } else {
            self.evictable.touch(slot);
            self.unsubscribed.touch(slot);
            self.evict();
        }
    }

    pub(super) fn read(
        &mut self,
        now: Instant,
        room: &RoomName,
        retention: Retention,
        range: Range,
    ) -> Page {
        match self.slots.get(room).copied() {
            Some(slot) => self.use_log(slot, |log| log.read(now, range)),
            None => Log::new(now, self.first_epoch(room), retention).read(now, range),
        }
    }

    pub(super) fn top(&self, room: &RoomName) -> Position {
        let slot = self.slots.get(room).copied();
        slot.map_or_else(
            || Position::start(self.first_epoch(room)),
            |slot| self.rooms[slot as usize].log.top(),
        )
    }

    pub(super) fn replace_epoch(&mut self, room: &RoomName, expected: Epoch) -> Position {
        let top = self.top(room);
        if top.epoch != expected {
            return top;
        }
        if top.offset == 0 {
            self.generation += 1;
        }
        let epoch = if top.offset > 0 { Epoch(random::bits()) } else { self.first_epoch(room) };
        if let Some(slot) = self.slots.get(room) {
            self.rooms[*slot as usize].log.replace_epoch(expected, epoch);
        }
        self.top(room)
    }

    /// Removes the entries of a history.
    pub(super) fn remove(&mut self, room: &RoomName) {
        if let Some(slot) = self.slots.get(room).copied() {
            self.rooms[slot as usize].log.remove();
            self.settle(slot);
        }
    }

    /// Releases what has expired in the next rooms: publications and ids, and histories that were
    /// not used for [`Log::KEPT_UNUSED`].
    pub(super) fn sweep(&mut self, now: Instant, rooms: usize) {
        for _ in 0..rooms.min(self.rooms.len()) {
            if self.cursor >= self.rooms.len() {
                self.cursor = 0;
            }
            let Some(room) = self.rooms.get_mut(self.cursor) else { return };
            // A vector of rooms has fewer than `u32::MAX`: see `slot`.
            let Ok(slot) = u32::try_from(self.cursor) else { return };
            room.log.trim(now);
            let unused = now.saturating_duration_since(room.log.last_used());
            if !room.is_subscribed && unused >= Log::KEPT_UNUSED {
                // The room that takes its place is looked at next.
                self.remove_slot(slot);
            } else {
                self.settle(slot);
                self.cursor += 1;
            }
        }
    }

    pub(super) fn metrics(&self) -> LocalMetrics {
        let (rooms, bytes) = (self.rooms.len(), self.bytes);
        LocalMetrics { rooms, bytes, evictions: self.evictions }
    }

    /// Returns the slot of a room, whose history is created if there is none.
    fn slot(&mut self, now: Instant, room: &RoomName, retention: Retention) -> u32 {
        if let Some(slot) = self.slots.get(room) {
            return *slot;
        }
        let slot = u32::try_from(self.rooms.len()).expect("so many rooms fit no memory");
        let log = Log::new(now, self.first_epoch(room), retention);
        self.rooms.push(Room { name: room.clone(), log, is_subscribed: false, size: 0 });
        self.slots.insert(room.clone(), slot);
        self.evictable.push_slot();
        self.unsubscribed.push_slot();
        self.unsubscribed.touch(slot);
        self.settle(slot);
        slot
    }

    /// Uses a history: it is evicted after those that were used before.
    fn use_log<T>(&mut self, slot: u32, call: impl FnOnce(&mut Log) -> T) -> T {
        let room = &mut self.rooms[slot as usize];
        let result = call(&mut room.log);
        if !room.is_subscribed {
            self.unsubscribed.touch(slot);
        }
        self.evictable.touch(slot);
        self.settle(slot);
        result
    }

    /// Counts the memory of a room after a change.
    fn settle(&mut self, slot: u32) {
        let room = &mut self.rooms[slot as usize];
        if room.log.is_cleared() {
            // Gives the memory of former publications back.
            room.log.clear();
        }
        let before = room.size;
        room.size = ROOM_SIZE + room.name.as_str().len() + room.log.memory_size();
        self.bytes = self.bytes - before + room.size;
        if room.is_subscribed && room.log.is_cleared() {
            self.evictable.remove(slot);
        } else if !self.evictable.contains(slot) {
            self.evictable.touch(slot);
        }
    }

    /// Evicts histories while a limit is exceeded.
    fn evict(&mut self) {
        while self.rooms.len() > self.limits.rooms {
            let Some(slot) = self.unsubscribed.oldest() else { break };
            self.remove_slot(slot);
            self.evictions += 1;
        }
        while self.bytes > self.limits.bytes {
            let Some(slot) = self.evictable.oldest() else { break };
            let room = &mut self.rooms[slot as usize];
            if room.is_subscribed {
                room.log.clear();
                self.settle(slot);
            } else {
                self.remove_slot(slot);
            }
            self.evictions += 1;
        }
    }

    /// Removes a history. The room's next position is one of another epoch, if the history was ever
    /// published to.
    fn remove_slot(&mut self, slot: u32) {
        let Room { name, log, size, .. } = self.rooms.swap_remove(slot as usize);
        self.evictable.swap_remove(slot);
        self.unsubscribed.swap_remove(slot);
        self.slots.remove(&name);
        if let Some(moved) = self.rooms.get(slot as usize) {
            self.slots.insert(moved.name.clone(), slot);
        }
        self.bytes -= size;
        self.generation += u64::from(log.top().offset > 0);
        shrink(&mut self.rooms);
        if is_wasteful(self.slots.len(), self.slots.capacity()) {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    /// Returns the epoch of a room that has no history.
    fn first_epoch(&self, room: &RoomName) -> Epoch {
        Epoch(self.epochs.hash_one((self.generation, room)))
    }
}
