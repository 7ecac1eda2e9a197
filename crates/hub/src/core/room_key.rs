/// An occupied room of a [`Topics`](super::topics::Topics). Valid until the room becomes empty;
/// afterwards the same key may name another room. A member of the room can keep the key as long as
/// it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u32);

impl RoomKey {
    /// Returns the key as an index for tables beside the [`Topics`](super::topics::Topics). Indices
    /// are dense: less than 64 above the highest number of rooms that were occupied at a time.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
