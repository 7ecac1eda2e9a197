use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::RoomKey;
use crate::core::capacity::shrink;

/// The number of rooms from which on a member has an index. Up to here its list is searched: 16
/// entries are two cache lines.
const INDEX_FROM: usize = 17;

/// The rooms of one member.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    entries: Vec<Membership>,
    /// Positions in `entries` by room, when there are many.
    index: Option<Box<HashTable<u32>>>,
}

/// The membership of one member in one room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Membership {
    pub(super) room: RoomKey,
    /// The place of the member in the room's array.
    pub(super) place: u32,
}

impl Memberships {
    pub(super) fn entries(&self) -> &[Membership] {
        &self.entries
    }

    /// Returns the member's place in a room.
    pub(super) fn place(&self, room: RoomKey, hasher: &RandomState) -> Option<u32> {
        Some(self.entries[self.position(room, hasher)?].place)
    }

    pub(super) fn set_place(&mut self, room: RoomKey, place: u32, hasher: &RandomState) {
        if let Some(position) = self.position(room, hasher) {
            self.entries[position].place = place;
        }
    }

    /// Adds a room that the member is not in.
    pub(super) fn insert(&mut self, membership: Membership, hasher: &RandomState) {
        self.entries.push(membership);
        let entries = &self.entries;
        let hash = |&position: &u32| hasher.hash_one(entries[position as usize].room);
        if let Some(index) = &mut self.index {
            let position = index_of(entries.len() - 1);
            index.insert_unique(hash(&position), position, hash);
        } else if entries.len() >= INDEX_FROM {
            let mut index = HashTable::with_capacity(entries.len());
            for position in 0..index_of(entries.len()) {
                index.insert_unique(hash(&position), position, hash);
            }
            self.index = Some(Box::new(index));
        }
    }

    /// Removes a room and returns the member's place in it.
    pub(super) fn remove(&mut self, room: RoomKey, hasher: &RandomState) -> Option<u32> {
        let position = self.position(room, hasher)?;
        let last = self.entries.len() - 1;
        if let Some(index) = &mut self.index {
            let removed = index_of(position);
            if let Ok(entry) = index.find_entry(hasher.hash_one(room), |&entry| entry == removed) {
                entry.remove();
            }
            let moved = hasher.hash_one(self.entries[last].room);
            if let Some(entry) = index.find_mut(moved, |&entry| entry == index_of(last)) {
                *entry = removed;
            }
        }
        let place = self.entries.swap_remove(position).place;
        self.release_memory(hasher);
        Some(place)
    }

    /// Returns the number of entries of the list and of the index for which there is memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity() + self.index.as_ref().map_or(0, |index| index.capacity())
    }

    fn position(&self, room: RoomKey, hasher: &RandomState) -> Option<usize> {
        let Some(index) = &self.index else {
            return self.entries.iter().position(|entry| entry.room == room);
        };
        let matches = |&position: &u32| self.entries[position as usize].room == room;
        index.find(hasher.hash_one(room), matches).map(|&position| position as usize)
    }

    fn release_memory(&mut self, hasher: &RandomState) {
        shrink(&mut self.entries);
        let entries = &self.entries;
        if entries.len() < INDEX_FROM / 2 {
            self.index = None;
        } else if let Some(index) = &mut self.index {
            if index.len() < index.capacity() / 4 {
                let hash = |&position: &u32| hasher.hash_one(entries[position as usize].room);
                index.shrink_to(index.len() * 2, hash);
            }
        }
    }
}

/// A member is once in each room, and rooms have `u32` keys.
fn index_of(position: usize) -> u32 {
    u32::try_from(position).expect("a member has at most u32::MAX rooms")
}
