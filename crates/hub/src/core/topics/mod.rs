//! Which member is in which room.

mod filters;
mod keys;
mod members;
mod memberships;
mod names;
mod pages;
mod room;
mod room_slab;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use super::filter::Filter;
use super::{RoomKey, RoomName};

pub use keys::MemberKey;
use memberships::{Membership, Memberships};
pub(crate) use names::{HashedName, NameHasher, NameMap};
pub(crate) use pages::Pages;
use room::{Moved, Room};
use room_slab::RoomSlab;

/// The members of rooms and the rooms of members, on one node or one worker.
///
/// A room exists while it has members. Each operation takes amortised constant time, also in a room
/// of a million members and for a member of a hundred thousand rooms;
/// [`leave_all`](Self::leave_all) takes it for each room left. Memory is given back when members
/// leave.
///
/// ```
/// use sockeye_hub::core::RoomName;
/// use sockeye_hub::core::topics::{Left, MemberKey, Topics};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut topics = Topics::default();
/// let (ada, bob) = (MemberKey(0), MemberKey(1));
/// let lobby = topics.join(ada, &RoomName::new("lobby")?)?;
/// assert!(lobby.first_in_room);
/// topics.join(bob, &RoomName::new("lobby")?)?;
/// assert_eq!(topics.members(lobby.room), [ada, bob]);
///
/// assert_eq!(topics.leave(ada, lobby.room), Left::Occupied);
/// assert_eq!(topics.leave(bob, lobby.room), Left::Emptied(RoomName::new("lobby")?));
/// # Ok(())
/// # }
/// ```
///
/// A membership is an entry in two arrays, each of which knows the place in the other. The last
/// entry fills the gap of a removed one:
///
/// ```text
///     member 7   [ (room 2, place 0)  (room 5, place 2)  … ]
///     room 5     [ member 1  member 9  member 7  … ]
/// ```
#[derive(Debug)]
pub struct Topics {
    limits: Limits,
    /// Hashes with a random key, as clients choose the names of rooms. No result depends on it.
    hasher: NameHasher,
    names: NameMap<RoomKey>,
    rooms: RoomSlab,
    members: Pages<Memberships>,
    member_count: usize,
    membership_count: usize,
}

/// The maximum numbers of rooms. What exceeds them is refused by [`Topics::join`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of rooms at a time. Default: 1,048,576, with which clients that join
    /// rooms of their own invention can occupy some 200 MB.
    pub rooms: u32,
    /// The maximum number of rooms of a member at a time. Default: 128, as in centrifugo.
    pub rooms_per_member: u32,
}

/// The result of [`Topics::join`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The room that the member is in now.
    pub room: RoomKey,
    /// `true` if the room was empty before: a bus has to be subscribed to it.
    pub first_in_room: bool,
    /// `true` if the member was in the room before. Nothing has changed then, also not its filter.
    pub already: bool,
}

/// The result of [`Topics::leave`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// The member was not in the room.
    NotMember,
    /// The member has left; others remain in the room.
    Occupied,
    /// The member has left and the room is empty: its key is no longer valid.
    Emptied(RoomName),
}

/// The numbers of what a [`Topics`] contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of rooms with at least one member.
    pub rooms: usize,
    /// The number of members in at least one room.
    pub members: usize,
    /// The number of pairs of a member and a room that it is in.
    pub memberships: usize,
}

impl Topics {
    /// Creates an empty structure with limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            hasher: NameHasher::new(),
            names: NameMap::new(),
            rooms: RoomSlab::new(),
            members: Pages::new(),
            member_count: 0,
            membership_count: 0,
        }
    }

    /// Adds a member to a room, without a filter.
    ///
    /// # Errors
    /// When the join would exceed the [`Limits`]; nothing has changed then.
    pub fn join(&mut self, member: MemberKey, name: &RoomName) -> Result<Joined, JoinError> {
        let name = self.hashed(name);
        self.join_found(member, name, self.find(name))
    }

    /// Adds a member to a room like [`join`](Self::join). `occupied` is the room's key, as
    /// [`find`](Self::find) returns it.
    pub(crate) fn join_found(
        &mut self,
        member: MemberKey,
        name: HashedName<'_>,
        occupied: Option<RoomKey>,
    ) -> Result<Joined, JoinError> {
        if let Some(room) = self.check_found(member, occupied)? {
            return Ok(Joined { room, first_in_room: false, already: true });
        }
        let key = occupied.unwrap_or_else(|| self.create_room(name));
        let membership = Membership { room: key, place: self.push(member, key) };
        let memberships = self.members.get_or_default(member.0);
        self.member_count += usize::from(memberships.entries().is_empty());
        memberships.insert(membership, self.hasher.state());
        self.membership_count += 1;
        Ok(Joined { room: key, first_in_room: occupied.is_none(), already: false })
    }

    /// Returns whether [`join`](Self::join) would succeed.
    ///
    /// # Errors
    /// Same as [`join`](Self::join).
    pub fn check_join(&self, member: MemberKey, name: &RoomName) -> Result<(), JoinError> {
        self.check_found(member, self.room(name.as_str())).map(drop)
    }

    /// Checks whether a member may join a room, which is `occupied` or empty. Returns the room if
    /// the member is in it.
    pub(crate) fn check_found(
        &self,
        member: MemberKey,
        occupied: Option<RoomKey>,
    ) -> Result<Option<RoomKey>, JoinError> {
        let Limits { rooms, rooms_per_member } = self.limits;
        let memberships = self.members.get(member.0);
        let length = memberships.map_or(0, |memberships| memberships.entries().len());
        let place = |room| memberships?.place(room, self.hasher.state());
        if let Some(room) = occupied.filter(|&room| place(room).is_some()) {
            return Ok(Some(room));
        }
        if length >= rooms_per_member as usize {
            return Err(JoinError::RoomsPerMember { limit: rooms_per_member });
        }
        if occupied.is_none() && self.rooms.len() >= rooms as usize {
            return Err(JoinError::Rooms { limit: rooms });
        }
        Ok(None)
    }

    /// Removes a member from a room.
    pub fn leave(&mut self, member: MemberKey, room: RoomKey) -> Left {
        let Some(memberships) = self.members.get_mut(member.0) else { return Left::NotMember };
        let Some(place) = memberships.remove(room, self.hasher.state()) else {
            return Left::NotMember;
        };
        if memberships.entries().is_empty() {
            self.members.remove(member.0);
            self.member_count -= 1;
        }
        match self.remove_from_room(Membership { room, place }) {
            Some(name) => Left::Emptied(name),
            None => Left::Occupied,
        }
    }

    /// Removes a member from all its rooms. Returns those that are empty now, whose keys are no
    /// longer valid.
    pub fn leave_all(&mut self, member: MemberKey) -> Vec<(RoomKey, RoomName)> {
        let Some(memberships) = self.members.remove(member.0) else { return Vec::new() };
        self.member_count -= 1;
        let mut emptied = Vec::new();
        for &membership in memberships.entries() {
            if let Some(name) = self.remove_from_room(membership) {
                emptied.push((membership.room, name));
            }
        }
        emptied
    }

    /// Gives a member a filter for the publications of a room, or removes the one it has. Returns
    /// whether the member is in the room.
    pub fn set_filter(
        &mut self,
        member: MemberKey,
        room: RoomKey,
        filter: Option<Arc<Filter>>,
    ) -> bool {
        let Some(place) = self.place(member, room) else { return false };
        let Some(found) = self.rooms.get_mut(room) else { return false };
        let moved = found.set_filter(place, filter);
        self.set_places(room, moved);
        true
    }

    /// Returns the filter of a member in a room, if it has one.
    pub fn filter(&self, member: MemberKey, room: RoomKey) -> Option<&Arc<Filter>> {
        self.rooms.get(room)?.filter(self.place(member, room)?)
    }

    /// Returns the key of an occupied room.
    pub fn room(&self, name: &str) -> Option<RoomKey> {
        self.names.find(name, self.hasher.hash_text(name)).copied()
    }

    /// Returns a name with its hash, for [`find`](Self::find) and for [`NameMap`]s.
    pub(crate) fn hashed<'a>(&self, name: &'a RoomName) -> HashedName<'a> {
        self.hasher.hash(name)
    }

    /// Returns the means to hash names like [`hashed`](Self::hashed).
    pub(crate) fn name_hasher(&self) -> NameHasher {
        self.hasher.clone()
    }

    /// Returns the key of an occupied room like [`room`](Self::room).
    pub(crate) fn find(&self, name: HashedName<'_>) -> Option<RoomKey> {
        self.names.get(name).copied()
    }

    /// Returns the name of an occupied room.
    pub fn name(&self, room: RoomKey) -> Option<&RoomName> {
        self.rooms.get(room).map(|room| &room.name)
    }

    /// Returns whether a member is in a room.
    pub fn contains(&self, member: MemberKey, room: RoomKey) -> bool {
        self.place(member, room).is_some()
    }

    /// Returns the members of a room, with and without filters, in no particular order.
    pub fn members(&self, room: RoomKey) -> &[MemberKey] {
        self.rooms.get(room).map_or(&[], Room::members)
    }

    /// Returns the members of a room that have no filter: those that receive every publication.
    pub fn members_without_filter(&self, room: RoomKey) -> &[MemberKey] {
        self.rooms.get(room).map_or(&[], Room::members_without_filter)
    }

    /// Returns the members of a room that have a filter, and whether it matches the tags of a
    /// publication, sorted by name. Each distinct filter of the room is evaluated once.
    pub fn members_with_filter(
        &self,
        room: RoomKey,
        tags: &[(Box<str>, Box<str>)],
    ) -> impl Iterator<Item = (MemberKey, bool)> + use<'_> {
        self.rooms.get(room).map(|room| room.members_with_filter(tags)).into_iter().flatten()
    }

    /// Reads the memory of a member, which the caller is about to need.
    #[inline]
    pub(crate) fn load(&self, member: MemberKey) {
        let memberships = self.members.get(member.0);
        black_box(memberships.and_then(|memberships| memberships.entries().last().copied()));
    }

    /// Returns the rooms of a member, in no particular order.
    pub fn rooms(&self, member: MemberKey) -> impl ExactSizeIterator<Item = RoomKey> {
        let entries = self.members.get(member.0).map_or(&[][..], Memberships::entries);
        entries.iter().map(|membership| membership.room)
    }

    /// Returns all occupied rooms with their members.
    pub fn iter(&self) -> impl Iterator<Item = (RoomKey, &RoomName, &[MemberKey])> {
        self.rooms.iter().map(|(key, room)| (key, &room.name, room.members()))
    }

    /// Returns a number above the keys of all rooms, for lists that look at some keys at a time.
    pub fn key_bound(&self) -> u32 {
        self.rooms.key_bound()
    }

    /// Returns the numbers of rooms, members and memberships.
    pub fn counts(&self) -> Counts {
        Counts {
            rooms: self.rooms.len(),
            members: self.member_count,
            memberships: self.membership_count,
        }
    }

    /// Adds a member to the array of an occupied room and returns its place.
    fn push(&mut self, member: MemberKey, room: RoomKey) -> u32 {
        let room = self.rooms.get_mut(room);
        room.expect("the table of names has occupied rooms only").push(member)
    }

    fn create_room(&mut self, name: HashedName<'_>) -> RoomKey {
        let room = self.rooms.insert(Room::new(name.name().clone()));
        self.names.insert_unique(name, room);
        room
    }

    /// Removes a membership that the member's list no longer contains. Returns the room's name if
    /// it has become empty.
    fn remove_from_room(
        &mut self,
        Membership { room: key, place }: Membership,
    ) -> Option<RoomName> {
        self.membership_count -= 1;
        let room = self.rooms.get_mut(key)?;
        let moved = room.remove(place);
        if room.members().is_empty() {
            return self.remove_room(key);
        }
        self.set_places(key, moved);
        None
    }

    fn remove_room(&mut self, key: RoomKey) -> Option<RoomName> {
        let name = self.rooms.remove(key)?.name;
        let hashed = self.hashed(&name);
        self.names.remove(hashed);
        Some(name)
    }

    fn set_places(&mut self, room: RoomKey, moved: Moved) {
        for (member, place) in moved.into_iter().flatten() {
            if let Some(memberships) = self.members.get_mut(member.0) {
                memberships.set_place(room, place, self.hasher.state());
            }
        }
    }

    fn place(&self, member: MemberKey, room: RoomKey) -> Option<u32> {
        self.members.get(member.0)?.place(room, self.hasher.state())
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { rooms: 1 << 20, rooms_per_member: 128 }
    }
}

/// The reason why a member could not join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The room is empty, and as many rooms are occupied as may be.
    Rooms {
        /// The limit, [`Limits::rooms`].
        limit: u32,
    },
    /// The member is in as many rooms as it may be.
    RoomsPerMember {
        /// The limit, [`Limits::rooms_per_member`].
        limit: u32,
    },
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rooms { limit } => write!(f, "{limit} rooms are occupied, and no more may be"),
            Self::RoomsPerMember { limit } => {
                write!(f, "the session is in {limit} rooms, and may be in no more")
            }
        }
    }
}

impl Error for JoinError {}
