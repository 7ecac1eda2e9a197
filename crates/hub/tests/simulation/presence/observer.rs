use std::collections::{BTreeMap, BTreeSet};

use sockeye_hub::core::presence::{Member, Presence, PresenceDiff, Profile};
use sockeye_hub::core::{RoomName, SessionId, UserId};

/// A room as told by diffs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) sessions: BTreeMap<SessionId, Profile>,
    pub(crate) users: BTreeSet<UserId>,
}

/// Applies all diffs of a node and checks that each one fits what was told before.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pub(crate) rooms: BTreeMap<RoomName, View>,
    pub(crate) occupied: BTreeSet<RoomName>,
    /// The number of times that a session was told to leave a room.
    pub(crate) leaves: BTreeMap<(RoomName, SessionId), u64>,
    /// Rooms that were listed: diffs may tell the leaving of those whose joining they did not tell,
    /// and the joining of users whose leaving they did not tell.
    pub(crate) listed: BTreeSet<RoomName>,
}

impl Observer {
    pub(crate) fn on_diff(&mut self, room: &RoomName, diff: &PresenceDiff) {
        assert!(!diff.is_empty());
        let listed = self.listed.contains(room);
        let view = self.rooms.entry(room.clone()).or_default();
        for Member { session, profile } in &diff.joined {
            let previous = view.sessions.insert(*session, profile.clone());
            assert_eq!(previous, None, "{session} joined {room} twice");
        }
        for Member { session, profile } in &diff.updated {
            let previous = view.sessions.insert(*session, profile.clone());
            assert!(
                previous.is_some() || listed,
                "{session} was updated in {room} without being there"
            );
        }
        for Member { session, .. } in &diff.left {
            let there = view.sessions.remove(session).is_some();
            assert!(there || listed, "{session} left {room} without being there");
            if there {
                *self.leaves.entry((room.clone(), *session)).or_default() += 1;
            }
        }
        for user in &diff.users_joined {
            let new = view.users.insert(user.clone());
            assert!(new || listed, "{user} joined {room} twice");
        }
        for user in &diff.users_left {
            assert!(view.users.remove(user) || listed, "{user} left {room} without being there");
        }
    }

    pub(crate) fn on_occupied(&mut self, room: RoomName) {
        assert!(self.occupied.insert(room));
    }

    pub(crate) fn on_vacated(&mut self, room: &RoomName) {
        assert!(self.occupied.remove(room));
    }
}

/// A client that lists a room page by page, and applies the diffs that arrive meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Lister {
    pub(crate) view: View,
    after_session: Option<SessionId>,
    after_user: Option<UserId>,
    sessions_done: bool,
    users_done: bool,
}

impl Lister {
    pub(crate) const fn is_done(&self) -> bool {
        self.sessions_done && self.users_done
    }

    /// Reads the next page of sessions, then of users.
    pub(crate) fn read(&mut self, presence: &mut Presence, room: &RoomName, limit: usize) {
        if !self.sessions_done {
            let page = presence.list_members(room, self.after_session, limit);
            let items = page.items.into_iter();
            self.view.sessions.extend(items.map(|member| (member.session, member.profile)));
            self.after_session = page.next;
            self.sessions_done = page.next.is_none();
        } else if !self.users_done {
            let page = presence.list_users(room, self.after_user.take(), limit);
            self.view.users.extend(page.items);
            self.users_done = page.next.is_none();
            self.after_user = page.next;
        }
    }

    pub(crate) fn on_diff(&mut self, diff: &PresenceDiff) {
        for Member { session, profile } in diff.joined.iter().chain(&diff.updated) {
            self.view.sessions.insert(*session, profile.clone());
        }
        for Member { session, .. } in &diff.left {
            self.view.sessions.remove(session);
        }
        self.view.users.extend(diff.users_joined.iter().cloned());
        for user in &diff.users_left {
            self.view.users.remove(user);
        }
    }
}
