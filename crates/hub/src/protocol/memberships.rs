use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::close;
use crate::core::RoomName;
use crate::encoder::Missed;
use crate::namespaces::{Access, Namespaces, Rules};
use crate::session::{MembershipObserver, OnMissed};

/// The protocol's knowledge of a client's rooms, beside the membership itself. Rooms that the
/// server made the client join are missing here, except those of the client's connection.
#[derive(Debug)]
pub(super) struct Memberships {
    rooms: Mutex<HashMap<RoomName, Membership>>,
    after_gap: AfterGap,
    /// `None`: all clients may do everything.
    namespaces: Option<Namespaces>,
    has_user: bool,
}

/// The reaction of a protocol to publications that a client has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterGap {
    /// The protocol tells the client by [`Encoder::missed`](crate::Encoder::missed).
    Continue,
    /// The protocol makes the client leave the room by the same notice, so that the client joins
    /// again and recovers. A client cannot join again a room that the server chose: it is
    /// disconnected.
    Rejoin,
}

/// A room of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Membership {
    /// `true` if the client has joined, and not the server for it.
    pub(super) by_client: bool,
    /// `true` if a token names the room.
    pub(super) granted: bool,
    /// The time at which the client leaves the room, unless it refreshes its token.
    pub(super) expires_at: Option<Instant>,
}

impl Memberships {
    pub(super) fn new(after_gap: AfterGap, namespaces: Option<Namespaces>, has_user: bool) -> Self {
        Self { rooms: Mutex::default(), after_gap, namespaces, has_user }
    }

    /// Returns whether the client may see who is in a room that it is a member of. `granted` is
    /// `true` if a token names the room.
    pub(super) fn sees_presence(&self, room: &RoomName, granted: bool) -> bool {
        self.allows_as_member(room, granted, |rules| rules.presence)
    }

    /// Returns whether the rules of a room allow something to the client as a member.
    pub(super) fn allows_as_member(
        &self,
        room: &RoomName,
        granted: bool,
        access: impl FnOnce(&Rules) -> Access,
    ) -> bool {
        let access = self.namespaces.as_ref().map(|namespaces| access(namespaces.rules(room)));
        access.is_none_or(|access| self.allows_member(access, granted))
    }

    /// Returns whether the client has access as a member.
    pub(super) fn allows_member(&self, access: Access, granted: bool) -> bool {
        match access {
            Access::Nobody => false,
            Access::Token => granted,
            Access::User => granted || self.has_user,
            Access::Member | Access::Anybody => true,
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomName, Membership>> {
        // No code panics while it holds the lock.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is known of a room.
    pub(super) fn set(&self, room: &RoomName, membership: Option<Membership>) {
        let mut rooms = self.rooms();
        match membership {
            Some(membership) => drop(rooms.insert(room.clone(), membership)),
            None => drop(rooms.remove(room)),
        }
    }

    pub(super) fn of(&self, room: &RoomName) -> Option<Membership> {
        self.rooms().get(room).copied()
    }

    /// Sets the time at which the client leaves a room that it has joined. Returns whether it has.
    pub(super) fn set_expiry(&self, room: &RoomName, at: Option<Instant>) -> bool {
        let mut rooms = self.rooms();
        let membership = rooms.get_mut(room).filter(|membership| membership.by_client);
        membership.map(|membership| membership.expires_at = at).is_some()
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.rooms().values().filter_map(|membership| membership.expires_at).min()
    }

    /// Removes the rooms that the client must leave.
    pub(super) fn take_expired(&self, now: Instant) -> Vec<RoomName> {
        let mut rooms = self.rooms();
        let expired = rooms.iter().filter(|(_, membership)| {
            membership.expires_at.is_some_and(|expires_at| expires_at <= now)
        });
        let expired: Vec<_> = expired.map(|(room, _)| room.clone()).collect();
        for room in &expired {
            rooms.remove(room);
        }
        expired
    }
}

impl MembershipObserver for Memberships {
    fn sees_presence(&self, room: &RoomName) -> bool {
        // No token of the client names the room.
        self.sees_presence(room, false)
    }

    fn on_left(&self, room: &RoomName) {
        self.rooms().remove(room);
    }

    fn on_missed(&self, room: &RoomName, missed: &Missed) -> OnMissed {
        // A room without history has nothing to recover.
        if self.after_gap == AfterGap::Continue || missed.position.is_none() {
            return OnMissed::Continue;
        }
        match self.rooms().remove(room) {
            Some(Membership { by_client: true, .. }) => OnMissed::Leave,
            _ => OnMissed::Close(close::frame(close::INSUFFICIENT_STATE)),
        }
    }
}
