/// A member of rooms: the slot of a session, as the owner of the [`Topics`](super::Topics) numbers
/// its sessions. Dense: memory is used for all keys up to the highest one, at one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey(pub u32);

/// An occupied room of a [`Topics`](super::Topics). Valid until the room becomes empty; afterwards
/// the same key may name another room. A member of the room can keep the key as long as it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub(super) u32);

impl RoomKey {
    /// Returns the key as an index for tables beside the [`Topics`](super::Topics). Indices are
    /// dense: less than 64 above the highest number of rooms that were occupied at a time.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
