use std::collections::BTreeSet;
use std::time::Instant;

use super::table::{Full, RoomKey, Table};
use super::{Profile, SHARDS, ShardSummary};
use crate::core::{RoomName, SessionId};

/// Returns the shard of a room: the same on all nodes.
pub(super) fn shard_of(room: &RoomName) -> usize {
    let mut hash = Hash::new();
    hash.write(room.as_str().as_bytes());
    usize::try_from(hash.finish() % SHARDS as u64).expect("less than SHARDS")
}

/// The members of one node in the rooms of one shard, at one number of the node's changes.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// The number of the last change that is contained.
    pub(super) number: u64,
    /// The exclusive or of the hashes of all members.
    hash: u64,
    /// Sorted by session, so that all rooms of a session are found.
    members: BTreeSet<(u64, RoomKey)>,
}

impl Shard {
    pub(super) const fn summary(&self) -> ShardSummary {
        ShardSummary { number: self.number, hash: self.hash }
    }

    pub(super) const fn members(&self) -> &BTreeSet<(u64, RoomKey)> {
        &self.members
    }

    /// Lists the rooms of a session.
    pub(super) fn rooms(&self, session: u64) -> impl Iterator<Item = RoomKey> + '_ {
        self.members.range((session, RoomKey::MIN)..=(session, RoomKey::MAX)).map(|&(_, key)| key)
    }

    /// Takes a member out of a shard whose node is dead: its number and hash no longer count.
    pub(super) fn pop(&mut self) -> Option<(u64, RoomKey)> {
        self.members.pop_first()
    }

    /// Adds a member or replaces its profile.
    pub(super) fn put(
        &mut self,
        table: &mut Table,
        now: Instant,
        room: &RoomName,
        session: SessionId,
        profile: &Profile,
    ) -> Result<RoomKey, Full> {
        let hash = hash_of(room, session.number, profile);
        let (key, previous) = table.put(now, room, session, profile)?;
        self.hash ^= hash;
        match previous {
            Some(previous) => self.hash ^= hash_of(room, session.number, &previous),
            None => drop(self.members.insert((session.number, key))),
        }
        Ok(key)
    }

    /// Removes a member. Returns whether there was one.
    pub(super) fn remove(
        &mut self,
        table: &mut Table,
        now: Instant,
        room: &RoomName,
        key: RoomKey,
        session: SessionId,
    ) -> bool {
        if !self.members.remove(&(session.number, key)) {
            return false;
        }
        if let Some(previous) = table.remove(now, key, session) {
            self.hash ^= hash_of(room, session.number, &previous);
        }
        true
    }
}

/// Hashes a member, the same on all nodes. It finds faults, it does not resist forgery: nodes trust
/// each other.
fn hash_of(room: &RoomName, session: u64, profile: &Profile) -> u64 {
    let mut hash = Hash::new();
    hash.write(room.as_str().as_bytes());
    hash.write(&session.to_le_bytes());
    match &profile.user {
        Some(user) => hash.write(user.as_str().as_bytes()),
        None => hash.write(&[0xff]), // No byte of UTF-8.
    }
    hash.write(&profile.info);
    hash.finish()
}

/// Hashes a node for a room: see [`Presence::reporter`](super::Presence::reporter).
pub(super) fn rank(node: u64, room: &RoomName) -> u64 {
    let mut hash = Hash::new();
    hash.write(&node.to_le_bytes());
    hash.write(room.as_str().as_bytes());
    hash.finish()
}

/// FNV-1a over fields, each with its length, and the finalizer of splitmix64.
struct Hash(u64);

impl Hash {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    const fn finish(self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_the_same_in_every_build() {
        let room = |name| RoomName::new(name).unwrap();
        assert_eq!(
            ["a", "b", "lobby", "room:42"].map(|name| shard_of(&room(name))),
            [17, 52, 36, 44]
        );
    }
}
