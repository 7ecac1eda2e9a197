/// A member of rooms: the slot of a session, as the owner of the [`Topics`](super::Topics) numbers
/// its sessions. Dense: memory is used for all keys up to the highest one, at one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey(pub u32);
