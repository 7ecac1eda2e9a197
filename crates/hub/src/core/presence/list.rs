//! Lists of sessions, users and rooms, in pages.

use std::ops::Bound;

use super::table::{RoomKey, Table};
use super::{Member, PresenceCounts};
use crate::core::{NodeId, RoomName, SessionId, UserId};

/// A part of a list, and where the next part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresencePage<T, C> {
    /// The items, sorted.
    pub items: Vec<T>,
    /// The cursor of the next page, if there may be one.
    pub next: Option<C>,
}

impl<T, C> PresencePage<T, C> {
    fn new(items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> C) -> Self {
        let next = items.last().filter(|_| items.len() == limit).map(cursor);
        Self { items, next }
    }
}

const FIRST_SESSION: SessionId = SessionId { node: NodeId(0), number: 0 };

impl Table {
    /// Lists sessions after `after`, and marks the room as listed.
    pub(super) fn list_members(
        &mut self,
        room: &RoomName,
        after: Option<SessionId>,
        limit: usize,
    ) -> PresencePage<Member, SessionId> {
        let mut items = Vec::new();
        if let Some(key) = self.on_list(room) {
            let start = after.map_or(Bound::Included((key, FIRST_SESSION)), |after| {
                Bound::Excluded((key, after))
            });
            let range = self.members.range((start, Bound::Unbounded));
            let members = range.take_while(|&(&(of, _), _)| of == key).take(limit);
            items.extend(
                members
                    .map(|(&(_, session), profile)| Member { session, profile: profile.clone() }),
            );
        }
        PresencePage::new(items, limit, |member| member.session)
    }

    /// Lists users after `after`, and marks the room as listed.
    pub(super) fn list_users(
        &mut self,
        room: &RoomName,
        after: Option<UserId>,
        limit: usize,
    ) -> PresencePage<UserId, UserId> {
        let mut items = Vec::new();
        if let Some(key) = self.on_list(room) {
            let start = after.map_or_else(
                || Bound::Included((key, UserId::new(""))),
                |after| Bound::Excluded((key, after)),
            );
            let range = self.users.range((start, Bound::Unbounded));
            let users = range.map(|((of, user), _)| (*of, user)).take_while(|&(of, _)| of == key);
            items.extend(users.take(limit).map(|(_, user)| user.clone()));
        }
        PresencePage::new(items, limit, Clone::clone)
    }

    /// Lists occupied rooms after `after`.
    pub(super) fn list_rooms(
        &self,
        after: Option<RoomName>,
        limit: usize,
    ) -> PresencePage<(RoomName, PresenceCounts), RoomName> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = self.names.range((start, Bound::Unbounded));
        let rooms = rooms.filter_map(|(_, key)| self.rooms.get(key));
        let rooms = rooms.filter(|room| room.is_occupied());
        let items = rooms.map(|room| (room.name.clone(), room.counts())).take(limit).collect();
        PresencePage::new(items, limit, |(room, _)| room.clone())
    }

    fn on_list(&mut self, room: &RoomName) -> Option<RoomKey> {
        let key = self.key(room)?;
        if let Some(pending) = self.rooms.get_mut(&key).and_then(|room| room.pending.as_mut()) {
            pending.listed = true;
        }
        Some(key)
    }
}
