use std::collections::BTreeMap;
use std::time::Instant;

use super::{Member, Profile};
use crate::core::{RoomName, SessionId, UserId};

/// The changes of a room's presence since its previous diff. A session that joins and leaves in
/// between does not appear, and neither does one that leaves and returns with the same profile.
///
/// A client that lists the room and applies every diff that it receives afterwards has the presence
/// of its node. It must take `joined` and `updated` alike as "add or replace", and ignore the
/// joining of a user that it has and the leaving of a session or user that it does not have: a list
/// may be ahead of the diffs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceDiff {
    /// The sessions that joined.
    pub joined: Vec<Member>,
    /// The sessions whose profile changed.
    pub updated: Vec<Member>,
    /// The sessions that left, with their last profile.
    pub left: Vec<Member>,
    /// The users whose first session joined.
    pub users_joined: Vec<UserId>,
    /// The users whose last session left the grace time ago.
    pub users_left: Vec<UserId>,
}

impl PresenceDiff {
    /// Returns whether the diff contains no change.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
            && self.updated.is_empty()
            && self.left.is_empty()
            && self.users_joined.is_empty()
            && self.users_left.is_empty()
    }
}

/// The difference between the presence of a room and the presence that its diffs have told. Its
/// size is bounded by those of both.
#[derive(Debug)]
pub(super) struct Pending {
    /// The time of the next diff.
    pub(super) due: Instant,
    /// Set once the room was listed: the list contains changes that no diff has told, so changes no
    /// longer cancel each other out.
    pub(super) listed: bool,
    sessions: BTreeMap<SessionId, SessionChange>,
    users: BTreeMap<UserId, UserChange>,
}

/// The change of a session since the last diff that told of it.
#[derive(Debug)]
enum SessionChange {
    Joined,
    Updated,
    Left {
        profile: Profile,
        /// `true` if a diff has told this profile.
        told: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserChange {
    Joined,
    Left,
}

impl Pending {
    pub(super) const fn new(due: Instant) -> Self {
        Self { due, listed: false, sessions: BTreeMap::new(), users: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.users.is_empty()
    }

    pub(super) fn on_join(&mut self, session: SessionId, profile: &Profile) {
        match self.sessions.remove(&session) {
            Some(SessionChange::Left { profile: left, told: true })
                if left == *profile && !self.listed => {}
            Some(SessionChange::Left { .. }) => {
                self.sessions.insert(session, SessionChange::Updated);
            }
            _ => {
                self.sessions.insert(session, SessionChange::Joined);
            }
        }
    }

    pub(super) fn on_update(&mut self, session: SessionId) {
        self.sessions.entry(session).or_insert(SessionChange::Updated);
    }

    pub(super) fn on_leave(&mut self, session: SessionId, profile: Profile) {
        let previous = self.sessions.remove(&session);
        if self.listed || !matches!(previous, Some(SessionChange::Joined)) {
            let told = previous.is_none();
            self.sessions.insert(session, SessionChange::Left { profile, told });
        }
    }

    pub(super) fn on_user_join(&mut self, user: UserId) {
        self.change_user(user, UserChange::Joined);
    }

    pub(super) fn on_user_leave(&mut self, user: UserId) {
        self.change_user(user, UserChange::Left);
    }

    fn change_user(&mut self, user: UserId, change: UserChange) {
        let opposite = self.users.remove(&user).is_some_and(|pending| pending != change);
        if !opposite || self.listed {
            self.users.insert(user, change);
        }
    }

    /// Removes up to `limit` changes. `profile` returns the profile of a session in the room.
    pub(super) fn take(
        &mut self,
        limit: usize,
        profile: impl Fn(SessionId) -> Option<Profile>,
    ) -> PresenceDiff {
        let mut diff = PresenceDiff::default();
        let mut taken = 0;
        while taken < limit {
            let Some((session, change)) = self.sessions.pop_first() else { break };
            taken += 1;
            let (list, profile) = match change {
                SessionChange::Joined => (&mut diff.joined, profile(session)),
                SessionChange::Updated => (&mut diff.updated, profile(session)),
                SessionChange::Left { profile, .. } => (&mut diff.left, Some(profile)),
            };
            list.extend(profile.map(|profile| Member { session, profile }));
        }
        while taken < limit {
            let Some((user, change)) = self.users.pop_first() else { break };
            taken += 1;
            match change {
                UserChange::Joined => diff.users_joined.push(user),
                UserChange::Left => diff.users_left.push(user),
            }
        }
        diff
    }
}

/// An event of a room that a table yields.
#[derive(Debug)]
pub(super) enum TableEvent {
    Diff(RoomName, PresenceDiff),
    Occupied(RoomName),
    Vacated(RoomName),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::NodeId;

    const SESSION: SessionId = SessionId { node: NodeId(1), number: 1 };

    fn profile(info: &'static str) -> Profile {
        Profile { user: None, info: info.into() }
    }

    fn take(mut pending: Pending) -> PresenceDiff {
        let diff = pending.take(9, |_| Some(profile("now")));
        assert!(pending.is_empty());
        diff
    }

    fn members(info: &'static str) -> Vec<Member> {
        vec![Member { session: SESSION, profile: profile(info) }]
    }

    #[test]
    fn a_session_that_returns_as_it_was_told_is_not_told() {
        let mut pending = Pending::new(Instant::now());
        pending.on_leave(SESSION, profile("now"));
        pending.on_join(SESSION, &profile("now"));
        assert!(pending.is_empty());
    }

    #[test]
    fn a_session_that_returns_as_it_was_never_told_is_updated() {
        let mut pending = Pending::new(Instant::now());
        pending.on_update(SESSION);
        pending.on_leave(SESSION, profile("now"));
        pending.on_join(SESSION, &profile("now"));
        let expected = PresenceDiff { updated: members("now"), ..PresenceDiff::default() };
        assert_eq!(take(pending), expected);
    }

    #[test]
    fn a_session_that_comes_and_goes_is_told_only_to_those_who_listed_it() {
        let mut pending = Pending::new(Instant::now());
        pending.on_join(SESSION, &profile("a"));
        pending.on_leave(SESSION, profile("a"));
        pending.on_user_join(UserId::new("u"));
        pending.on_user_leave(UserId::new("u"));
        assert!(pending.is_empty());

        pending.on_join(SESSION, &profile("a"));
        pending.on_user_join(UserId::new("u"));
        pending.listed = true;
        pending.on_leave(SESSION, profile("a"));
        pending.on_user_leave(UserId::new("u"));
        let (left, users_left) = (members("a"), vec![UserId::new("u")]);
        assert_eq!(take(pending), PresenceDiff { left, users_left, ..PresenceDiff::default() });
    }
}
