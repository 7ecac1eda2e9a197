use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use super::diff::{Pending, TableEvent};
use super::{PresenceConfig, Profile};
use crate::core::{RoomName, SessionId, UserId};

/// The members of all nodes by room, the users among them, and what the diffs have told.
///
/// A room exists while it has members, users in their grace, watchers, or an event to tell.
#[derive(Debug)]
pub(super) struct Table {
    config: PresenceConfig,
    pub(super) names: BTreeMap<RoomName, RoomKey>,
    pub(super) rooms: HashMap<RoomKey, Room>,
    next_key: u64,
    pub(super) members: BTreeMap<(RoomKey, SessionId), Profile>,
    pub(super) users: BTreeMap<(RoomKey, UserId), Presences>,
    /// At most one for each room's diff, room's vacancy and user in grace.
    timers: BTreeSet<(Instant, Timer)>,
    /// Rooms with a diff that is due.
    due_diffs: BTreeSet<RoomKey>,
    /// Rooms that became occupied or vacant since this was told.
    turned: BTreeSet<RoomKey>,
}

/// The key of a room as long as the room exists in the table. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoomKey(u64);

impl RoomKey {
    pub(super) const MIN: Self = Self(0);
    pub(super) const MAX: Self = Self(u64::MAX);
}

#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: RoomName,
    members: usize,
    users: usize,
    /// The members without a user.
    anonymous: usize,
    /// Own sessions in the room and other watchers: while there are any, diffs are told.
    watchers: usize,
    vacates: Option<Instant>,
    told_occupied: bool,
    pub(super) pending: Option<Box<Pending>>,
}

impl Room {
    pub(super) const fn is_occupied(&self) -> bool {
        self.members > 0 || self.vacates.is_some()
    }
}

/// The sessions of a user in a room.
#[derive(Debug, Default)]
pub(super) struct Presences {
    sessions: usize,
    /// Set while there is none, and the user has not left yet.
    leaves: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Diff(RoomKey),
    UserLeave(RoomKey, UserId),
    Vacate(RoomKey),
}

/// The table has [`PresenceConfig::max_members`].
#[derive(Debug)]
pub(super) struct Full;

/// The numbers of sessions and users in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// The number of sessions.
    pub sessions: usize,
    /// The number of users, including those whose last session ended within the grace time.
    pub users: usize,
}

impl Table {
    pub(super) fn new(config: PresenceConfig) -> Self {
        Self {
            config,
            names: BTreeMap::new(),
            rooms: HashMap::new(),
            next_key: 0,
            members: BTreeMap::new(),
            users: BTreeMap::new(),
            timers: BTreeSet::new(),
            due_diffs: BTreeSet::new(),
            turned: BTreeSet::new(),
        }
    }

    pub(super) fn key(&self, room: &RoomName) -> Option<RoomKey> {
        self.names.get(room).copied()
    }

    pub(super) fn name(&self, key: RoomKey) -> Option<&RoomName> {
        self.rooms.get(&key).map(|room| &room.name)
    }

    pub(super) fn profile(&self, key: RoomKey, session: SessionId) -> Option<&Profile> {
        self.members.get(&(key, session))
    }

    pub(super) fn members_len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn counts(&self, room: &RoomName) -> PresenceCounts {
        let room = self.key(room).and_then(|key| self.rooms.get(&key));
        room.map_or_else(PresenceCounts::default, Room::counts)
    }

    pub(super) fn anonymous(&self, room: &RoomName) -> usize {
        let room = self.key(room).and_then(|key| self.rooms.get(&key));
        room.map_or(0, |room| room.anonymous)
    }

    /// Adds a session or replaces its profile. Returns the room and the previous profile.
    pub(super) fn put(
        &mut self,
        now: Instant,
        room: &RoomName,
        session: SessionId,
        profile: &Profile,
    ) -> Result<(RoomKey, Option<Profile>), Full> {
        let full = self.members.len() >= self.config.max_members;
        if full && !self.key(room).is_some_and(|key| self.members.contains_key(&(key, session))) {
            return Err(Full);
        }
        let key = self.open(room);
        let user = profile.user.clone();
        let previous = self.members.insert((key, session), profile.clone());
        match &previous {
            Some(previous) if previous == profile => {}
            Some(previous) => {
                self.change(now, key, |pending| pending.on_update(session));
                if previous.user != user {
                    self.add_user(now, key, user);
                    self.remove_user(now, key, previous.user.clone());
                }
            }
            None => {
                let room = self.rooms.get_mut(&key).expect("open");
                room.members += 1;
                if let Some(vacates) = room.vacates.take() {
                    self.timers.remove(&(vacates, Timer::Vacate(key)));
                }
                self.change(now, key, |pending| pending.on_join(session, profile));
                self.add_user(now, key, user);
                self.check_occupancy(key);
            }
        }
        Ok((key, previous))
    }

    /// Removes a session and returns its profile.
    pub(super) fn remove(
        &mut self,
        now: Instant,
        key: RoomKey,
        session: SessionId,
    ) -> Option<Profile> {
        let profile = self.members.remove(&(key, session))?;
        self.change(now, key, |pending| pending.on_leave(session, profile.clone()));
        self.remove_user(now, key, profile.user.clone());
        let room = self.rooms.get_mut(&key)?;
        room.members -= 1;
        // Vacant rooms in grace are bounded like members: beyond, they are vacated at once.
        let grace = !self.config.grace.is_zero() && self.names.len() <= self.config.max_members;
        if room.members == 0 && grace {
            let vacates = now + self.config.grace;
            room.vacates = Some(vacates);
            self.timers.insert((vacates, Timer::Vacate(key)));
        }
        self.check_occupancy(key);
        Some(profile)
    }

    /// Adds a watcher of a room.
    pub(super) fn watch(&mut self, room: &RoomName) {
        let key = self.open(room);
        if let Some(room) = self.rooms.get_mut(&key) {
            room.watchers += 1;
        }
    }

    /// Removes a watcher of a room. Without watchers, the changes that were not told are forgotten.
    pub(super) fn unwatch(&mut self, room: &RoomName) {
        let Some(key) = self.key(room) else { return };
        let Some(room) = self.rooms.get_mut(&key) else { return };
        room.watchers = room.watchers.saturating_sub(1);
        if room.watchers == 0 {
            if let Some(pending) = room.pending.take() {
                self.timers.remove(&(pending.due, Timer::Diff(key)));
                self.due_diffs.remove(&key);
            }
            self.close_if_unused(key);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|&(due, _)| due)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|&(due, _)| due <= now) {
            let Some((_, timer)) = self.timers.pop_first() else { return };
            match timer {
                Timer::Diff(key) => drop(self.due_diffs.insert(key)),
                Timer::UserLeave(key, user) => self.forget_user(now, key, user),
                Timer::Vacate(key) => {
                    if let Some(room) = self.rooms.get_mut(&key) {
                        room.vacates = None;
                    }
                    self.check_occupancy(key);
                }
            }
        }
    }

    /// Returns the next event that is due.
    pub(super) fn poll(&mut self) -> Option<TableEvent> {
        while let Some(key) = self.turned.pop_first() {
            let Some(room) = self.rooms.get_mut(&key) else { continue };
            room.told_occupied = room.is_occupied();
            let name = room.name.clone();
            if room.told_occupied {
                return Some(TableEvent::Occupied(name));
            }
            self.close_if_unused(key);
            return Some(TableEvent::Vacated(name));
        }
        while let Some(&key) = self.due_diffs.first() {
            let Some(room) = self.rooms.get_mut(&key) else {
                self.due_diffs.remove(&key);
                continue;
            };
            let diff = room.pending.as_mut().map_or_else(Default::default, |pending| {
                let profile = |session| self.members.get(&(key, session)).cloned();
                pending.take(self.config.max_diff, profile)
            });
            if room.pending.as_ref().is_none_or(|pending| pending.is_empty()) {
                room.pending = None;
                self.due_diffs.remove(&key);
            }
            if !diff.is_empty() {
                return Some(TableEvent::Diff(room.name.clone(), diff));
            }
        }
        None
    }

    fn open(&mut self, name: &RoomName) -> RoomKey {
        if let Some(key) = self.key(name) {
            return key;
        }
        let key = RoomKey(self.next_key);
        self.next_key += 1;
        self.names.insert(name.clone(), key);
        self.rooms.insert(key, Room::new(name.clone()));
        key
    }

    fn close_if_unused(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.get(&key) else { return };
        let used = room.members > 0 || room.users > 0 || room.watchers > 0;
        if !used && !room.is_occupied() && !room.told_occupied && !self.turned.contains(&key) {
            self.names.remove(&room.name);
            self.rooms.remove(&key);
        }
    }

    fn check_occupancy(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.get(&key) else { return };
        if room.is_occupied() == room.told_occupied {
            self.turned.remove(&key);
        } else {
            self.turned.insert(key);
        }
        self.close_if_unused(key);
    }

    /// Notes a change for the next diff of a room, if the room is watched.
    fn change(&mut self, now: Instant, key: RoomKey, change: impl FnOnce(&mut Pending)) {
        let Some(room) = self.rooms.get_mut(&key).filter(|room| room.watchers > 0) else { return };
        let pending = room.pending.get_or_insert_with(|| {
            let due = now + self.config.diff_delay;
            self.timers.insert((due, Timer::Diff(key)));
            Box::new(Pending::new(due))
        });
        change(pending);
    }

    fn add_user(&mut self, now: Instant, key: RoomKey, user: Option<UserId>) {
        let Some(user) = user else {
            if let Some(room) = self.rooms.get_mut(&key) {
                room.anonymous += 1;
            }
            return;
        };
        let presences = self.users.entry((key, user.clone())).or_default();
        presences.sessions += 1;
        let new = presences.sessions == 1 && presences.leaves.is_none();
        if let Some(leaves) = presences.leaves.take() {
            self.timers.remove(&(leaves, Timer::UserLeave(key, user.clone())));
        }
        if new {
            if let Some(room) = self.rooms.get_mut(&key) {
                room.users += 1;
            }
            self.change(now, key, |pending| pending.on_user_join(user));
        }
    }

    fn remove_user(&mut self, now: Instant, key: RoomKey, user: Option<UserId>) {
        let Some(user) = user else {
            if let Some(room) = self.rooms.get_mut(&key) {
                room.anonymous -= 1;
            }
            return;
        };
        // Users in grace are bounded like members: beyond, they leave at once.
        let graces = self.users.len().saturating_sub(self.members.len());
        let grace = !self.config.grace.is_zero() && graces < self.config.max_members;
        let Some(presences) = self.users.get_mut(&(key, user.clone())) else { return };
        presences.sessions -= 1;
        if presences.sessions > 0 {
            return;
        }
        if !grace {
            self.forget_user(now, key, user);
            return;
        }
        let leaves = now + self.config.grace;
        presences.leaves = Some(leaves);
        self.timers.insert((leaves, Timer::UserLeave(key, user)));
    }

    fn forget_user(&mut self, now: Instant, key: RoomKey, user: UserId) {
        self.users.remove(&(key, user.clone()));
        if let Some(room) = self.rooms.get_mut(&key) {
            room.users -= 1;
        }
        self.change(now, key, |pending| pending.on_user_leave(user));
        self.close_if_unused(key);
    }
}

impl Room {
    const fn new(name: RoomName) -> Self {
        Self {
            name,
            members: 0,
            users: 0,
            anonymous: 0,
            watchers: 0,
            vacates: None,
            told_occupied: false,
            pending: None,
        }
    }

    pub(super) const fn counts(&self) -> PresenceCounts {
        PresenceCounts { sessions: self.members, users: self.users }
    }
}
