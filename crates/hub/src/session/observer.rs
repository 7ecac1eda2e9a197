use std::fmt;

use sockeye::CloseFrame;

use crate::core::RoomName;
use crate::encoder::Missed;

/// A protocol's view of the rooms of one session. The methods run while the rooms are locked: they
/// must not block, or call the hub.
pub(crate) trait MembershipObserver: fmt::Debug + Send + Sync {
    /// Returns whether a session that the server makes join a room is told who joins and leaves.
    fn sees_presence(&self, room: &RoomName) -> bool;

    /// Handles that the session has left a room.
    fn on_left(&self, room: &RoomName);

    /// Decides what happens to a session that has missed publications.
    fn on_missed(&self, room: &RoomName, missed: &Missed) -> OnMissed;
}

/// The treatment of a session that has missed publications of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OnMissed {
    /// The session receives the notice of its encoder, and what is published from then on.
    Continue,
    /// The session receives the notice of its encoder, and leaves the room.
    Leave,
    /// The session leaves the room, and its connection is closed.
    Close(CloseFrame),
}
