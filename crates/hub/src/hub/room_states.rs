use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::RoomOptions;
use super::encodings::Encodings;
use super::recovering::Recovery;
use crate::core::capacity::is_wasteful;
use crate::core::continuity::{Chain, ReadShare};
use crate::core::history::Limit;
use crate::core::topics::{HashedName, MemberKey, NameMap, Pages, Topics};
use crate::core::{RoomKey, RoomName};

/// The size of the pages by which a node heals holes. Chosen: less than a message of the default
/// maximum length.
pub(super) const PAGE: Limit = Limit { count: 256, bytes: 1 << 20 };

/// The states of rooms. That of a room with members is found by the room's key, so that it needs
/// neither a name nor a place in a table of its own.
#[derive(Debug)]
pub(super) struct RoomStates {
    occupied: Pages<RoomState>,
    /// The states of rooms without members: a join is in progress, or the node is still subscribed.
    vacant: NameMap<RoomState>,
}

/// The state of a room beside its members.
#[derive(Debug)]
pub(super) struct RoomState {
    pub(super) options: Arc<RoomOptions>,
    /// `Some` in rooms with history.
    pub(super) history: Option<Box<RoomHistory>>,
    /// Changed only by the join or the task that has the turn of the room.
    pub(super) subscription: Subscription,
}

/// The state that only a room with history has.
#[derive(Debug)]
pub(super) struct RoomHistory {
    /// `Some` from the subscription on.
    pub(super) chain: Option<Chain>,
    /// The time at which the chain is looked after.
    pub(super) check_at: Option<Instant>,
    /// The members that recover what they missed: they receive nothing directly.
    pub(super) recovering: HashMap<MemberKey, Recovery>,
    /// The reads of these members.
    pub(super) reads: ReadShare<MemberKey>,
    /// The encodings of the publications that they read.
    pub(super) encodings: Encodings,
}

/// The subscription of this node to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Subscription {
    #[default]
    None,
    /// A request to subscribe failed, or its outcome was not awaited.
    Unknown,
    Active,
}

impl RoomState {
    pub(super) fn new(options: Arc<RoomOptions>) -> Self {
        let history = options.retention.is_some().then(|| {
            Box::new(RoomHistory {
                chain: None,
                check_at: None,
                recovering: HashMap::new(),
                reads: ReadShare::new(PAGE),
                encodings: Encodings::default(),
            })
        });
        Self { options, history, subscription: Subscription::None }
    }

    /// Returns whether this node is subscribed to the room. It stays so while the room has members
    /// or is pinned.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscription == Subscription::Active
    }

    pub(super) fn chain(&self) -> Option<&Chain> {
        self.history.as_ref()?.chain.as_ref()
    }

    pub(super) fn chain_mut(&mut self) -> Option<&mut Chain> {
        self.history.as_mut()?.chain.as_mut()
    }

    /// Replaces or removes the chain of a room with history.
    pub(super) fn set_chain(&mut self, chain: Option<Chain>) {
        if let Some(history) = &mut self.history {
            history.chain = chain;
        }
    }

    /// Returns whether a member recovers what it missed.
    pub(super) fn is_recovering(&self, member: MemberKey) -> bool {
        let recovering = self.history.as_ref().map(|history| &history.recovering);
        recovering.is_some_and(|members| !members.is_empty() && members.contains_key(&member))
    }

    pub(super) fn recovery_mut(&mut self, member: MemberKey) -> Option<&mut Recovery> {
        self.history.as_mut()?.recovering.get_mut(&member)
    }

    pub(super) fn recoveries_mut(&mut self) -> impl Iterator<Item = &mut Recovery> {
        self.history.iter_mut().flat_map(|history| history.recovering.values_mut())
    }
}

impl RoomHistory {
    /// Ends a recovery.
    pub(super) fn remove_recovery(&mut self, member: MemberKey) -> Option<Recovery> {
        let recovery = self.recovering.remove(&member)?;
        if self.recovering.is_empty() {
            // Gives back the memory of what was recovered.
            self.encodings.clear();
        }
        Some(recovery)
    }
}

impl RoomStates {
    pub(super) fn new() -> Self {
        Self { occupied: Pages::new(), vacant: NameMap::new() }
    }

    /// Returns the state of a room with members.
    pub(super) fn occupied(&self, key: RoomKey) -> Option<&RoomState> {
        self.occupied.get(key.0)
    }

    /// Returns the state of a room with members.
    pub(super) fn occupied_mut(&mut self, key: RoomKey) -> Option<&mut RoomState> {
        self.occupied.get_mut(key.0)
    }

    /// Returns the state of a room with the given key, or of a room without members.
    pub(super) fn get(&self, key: Option<RoomKey>, room: HashedName<'_>) -> Option<&RoomState> {
        match key {
            Some(key) => self.occupied(key),
            None => self.vacant.get(room),
        }
    }

    /// Returns the state of a room with the given key, or of a room without members.
    pub(super) fn get_mut(
        &mut self,
        key: Option<RoomKey>,
        room: HashedName<'_>,
    ) -> Option<&mut RoomState> {
        match key {
            Some(key) => self.occupied_mut(key),
            None => self.vacant.get_mut(room),
        }
    }

    /// Adds the state of a room without members that has none.
    pub(super) fn insert(&mut self, room: HashedName<'_>, state: RoomState) {
        self.vacant.insert_unique(room, state);
    }

    pub(super) fn is_vacant(&self, room: HashedName<'_>) -> bool {
        self.vacant.contains(room)
    }

    /// Removes the state of a room without members.
    pub(super) fn remove(&mut self, room: HashedName<'_>) -> Option<RoomState> {
        self.vacant.remove(room)
    }

    /// Moves the state of a room that has got its first member, and its key.
    pub(super) fn occupy(&mut self, room: HashedName<'_>, key: RoomKey) {
        if let Some(state) = self.remove(room) {
            self.occupied.insert(key.0, state);
        }
    }

    /// Moves the state of a room that has lost its last member, and its key.
    pub(super) fn vacate(&mut self, room: HashedName<'_>, key: RoomKey) {
        if let Some(state) = self.occupied.remove(key.0) {
            self.vacant.insert_unique(room, state);
        }
    }

    /// Returns all states with the names of their rooms.
    pub(super) fn iter_mut<'a>(
        &'a mut self,
        topics: &'a Topics,
    ) -> impl Iterator<Item = (&'a RoomName, &'a mut RoomState)> {
        let occupied = self.occupied.iter_mut();
        let occupied =
            occupied.filter_map(|(key, state)| Some((topics.name(RoomKey(key))?, state)));
        occupied.chain(self.vacant.iter_mut())
    }
}

/// The members that receive no notices of the presence.
#[derive(Debug, Default)]
pub(super) struct QuietMembers(HashSet<(MemberKey, RoomKey)>);

impl QuietMembers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, member: MemberKey, room: RoomKey) {
        self.0.insert((member, room));
    }

    pub(super) fn contains(&self, member: MemberKey, room: RoomKey) -> bool {
        !self.0.is_empty() && self.0.contains(&(member, room))
    }

    pub(super) fn remove(&mut self, member: MemberKey, room: RoomKey) {
        if self.0.remove(&(member, room)) && is_wasteful(self.0.len(), self.0.capacity()) {
            self.0.shrink_to(self.0.len() * 2);
        }
    }
}
