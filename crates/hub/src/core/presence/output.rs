use std::error::Error;
use std::fmt;

use super::diff::TableEvent;
use super::{PresenceDiff, PresenceMessage};
use crate::core::{NodeId, RoomName, SessionId};

/// An action that a [`Presence`](super::Presence) asks of its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceOutput {
    /// Send a message to the presence of another node, or of all other nodes.
    Send {
        /// The node; `None` for all other nodes.
        to: Option<NodeId>,
        /// The message.
        message: PresenceMessage,
    },
    /// Tell the watchers of a room and its members on this node about changes.
    Diff {
        /// The room.
        room: RoomName,
        /// The changes.
        diff: PresenceDiff,
    },
    /// A room has a session, on whichever node, and had none before. Every node yields this.
    Occupied(RoomName),
    /// An occupied room has been without sessions for the grace time. `Occupied` and `Vacated`
    /// alternate for each room.
    Vacated(RoomName),
}

impl From<TableEvent> for PresenceOutput {
    fn from(event: TableEvent) -> Self {
        match event {
            TableEvent::Diff(room, diff) => Self::Diff { room, diff },
            TableEvent::Occupied(room) => Self::Occupied(room),
            TableEvent::Vacated(room) => Self::Vacated(room),
        }
    }
}

/// Counters of a [`Presence`](super::Presence) since its beginning, and some sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceMetrics {
    /// The number of other nodes.
    pub nodes: usize,
    /// The number of rooms with sessions or watchers, or in their grace time.
    pub rooms: usize,
    /// The number of sessions in rooms, over all nodes.
    pub members: usize,
    /// The number of nodes whose lease ended.
    pub expired_nodes: u64,
    /// The number of deltas of other nodes that were found missing by their successors.
    pub holes: u64,
    /// The number of requests for snapshots.
    pub requests: u64,
    /// The number of shards that were replaced by snapshots.
    pub snapshots: u64,
    /// The number of sessions of other nodes that were left out for want of space.
    pub refused_members: u64,
    /// The number of heartbeats of nodes beyond [`PresenceConfig::max_nodes`].
    ///
    /// [`PresenceConfig::max_nodes`]: super::PresenceConfig::max_nodes
    pub refused_nodes: u64,
}

/// A call of a [`Presence`](super::Presence) was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceError {
    /// The session is not of this node.
    ForeignSession {
        /// The session.
        session: SessionId,
    },
    /// The session is not in the room.
    NotJoined,
    /// The info is longer than [`PresenceConfig::max_info`](super::PresenceConfig::max_info).
    InfoTooLong {
        /// The length of the info in bytes.
        length: usize,
    },
    /// The user's identity is longer than [`Presence::MAX_USER`](super::Presence::MAX_USER).
    UserTooLong {
        /// The length of the identity in bytes.
        length: usize,
    },
    /// There are [`PresenceConfig::max_members`](super::PresenceConfig::max_members).
    Full,
    /// The presence was [shut down](super::Presence::shutdown).
    ShutDown,
}

impl fmt::Display for PresenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignSession { session } => {
                write!(f, "session {session} belongs to another node")
            }
            Self::NotJoined => f.write_str("the session is not in the room"),
            Self::InfoTooLong { length } => write!(f, "an info of {length} bytes is too long"),
            Self::UserTooLong { length } => {
                write!(f, "a user's identity of {length} bytes is too long")
            }
            Self::Full => f.write_str("the presence has its maximum number of members"),
            Self::ShutDown => f.write_str("the presence was shut down"),
        }
    }
}

impl Error for PresenceError {}
