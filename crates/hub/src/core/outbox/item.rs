use std::sync::Arc;

use crate::core::{Position, RoomKey};

/// A publication on its way to one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedPublication<T> {
    /// The room it was published to.
    pub room: RoomKey,
    /// The key that newer publications supersede it by, under
    /// [`LatestByKey`](super::DeliveryPolicy::LatestByKey) and
    /// [`Conflate`](super::DeliveryPolicy::Conflate). Publications without a key supersede each
    /// other.
    pub key: Option<Arc<str>>,
    /// The position before the publication, in rooms with history.
    pub after: Option<Position>,
    /// The position of the publication, in rooms with history. Under a policy by key,
    /// [`pop`](super::Outbox::pop) gives a position only with the last publication that waits for
    /// the room, and it then covers all that were superseded: a client that resumes from it misses
    /// nothing.
    pub position: Option<Position>,
    /// The bytes that the publication is charged with.
    pub size: usize,
    /// The content that the driver writes.
    pub payload: T,
}

/// The next step of the connection's driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<T> {
    /// Write a reply.
    Reply(T),
    /// Write a publication.
    Publication(QueuedPublication<T>),
    /// Tell the client that publications are missing here.
    Dropped(Dropped),
    /// Everything was written, and publications of this room were skipped
    /// ([`CatchUp`](super::DeliveryPolicy::CatchUp)): read its history after this position. The
    /// outbox takes publications of the room again from now on.
    Resume {
        /// The room.
        room: RoomKey,
        /// The position of the last publication before the skipped ones.
        after: Position,
    },
}

/// A run of publications of a room that were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The room.
    pub room: RoomKey,
    /// The number of publications dropped.
    pub count: u64,
    /// The cause.
    pub reason: DropReason,
    /// The position before the first one, in rooms with history.
    pub after: Option<Position>,
    /// The position of the last one, in rooms with history.
    pub up_to: Option<Position>,
}

/// The cause of a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The outbox was full.
    Full,
    /// The publication waited longer than [`OutboxLimits::max_age`](super::OutboxLimits::max_age).
    Expired,
}
