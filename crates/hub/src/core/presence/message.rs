use bytes::Bytes;

use super::{SHARDS, ShardSet};
use crate::core::{NodeId, RoomName, SessionId, UserId};

/// A period in which a node was in touch with the others. A node that was paused or unlinked for a
/// lease continues with the next incarnation, as other nodes have let its members leave.
///
/// A node whose id is random begins with 0. A process that takes the id of a dead one must begin
/// with a greater incarnation than any of it; the dead one's members then leave with the first
/// snapshot of the new process, or a lease after its last heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// The part of a member that its application chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The user of the session, if it has one.
    pub user: Option<UserId>,
    /// Data for the other members, for example a name or a state.
    pub info: Bytes,
}

/// A session in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The session.
    pub session: SessionId,
    /// The user and the info of the member.
    pub profile: Profile,
}

/// A message between the presences of two nodes. [`encode`](Self::encode) turns it into bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceMessage {
    /// The sender.
    pub node: NodeId,
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// The content.
    pub body: PresenceBody,
}

/// The content of a [`PresenceMessage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceBody {
    /// The sender is alive.
    Heartbeat {
        /// The number of the heartbeat. A heartbeat with a lower number than another is late or
        /// repeated and renews no lease.
        beat: u64,
        /// A summary of each shard of the sender, by which missing changes are found.
        shards: Box<[ShardSummary; SHARDS]>,
    },
    /// Members of the sender changed.
    Delta {
        /// The changes in their order.
        changes: Vec<Change>,
    },
    /// The sender asks a node for shards.
    Request {
        /// The node that is asked.
        to: NodeId,
        /// Identifies the request in its answers.
        id: RequestId,
        /// The shards.
        shards: ShardSet,
    },
    /// The sender answers a request.
    Snapshot {
        /// The node that asked.
        to: NodeId,
        /// The request that is answered.
        id: RequestId,
        /// Shards or parts of shards.
        sections: Vec<Section>,
    },
    /// The sender stops: its members leave.
    Shutdown,
}

/// A summary of a node's members in the rooms of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSummary {
    /// The number of the last change of the shard; 0 before the first.
    pub number: u64,
    /// A hash of the members.
    pub hash: u64,
}

/// A change of one member of the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The number of the change among those of the shard of its room. The first has number 1.
    pub number: u64,
    /// The room.
    pub room: RoomName,
    /// The number of the session on the sender.
    pub session: u64,
    /// The profile from now on; `None` when the session leaves the room.
    pub profile: Option<Profile>,
}

/// Identifies a request of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The incarnation of the node that asks.
    pub incarnation: Incarnation,
    /// The number of the request in this incarnation.
    pub number: u64,
}

/// A shard of the sender, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The shard.
    pub shard: u8,
    /// The number of the last change that the shard contains.
    pub number: u64,
    /// The number of this part, from 0.
    pub part: u32,
    /// `true` if this part is the last.
    pub last: bool,
    /// Members of the shard: room, number of the session on the sender, and profile.
    pub members: Vec<(RoomName, u64, Profile)>,
}

/// The length of a member in a message, at most: its texts and info, and 32 bytes for numbers.
pub(super) fn encoded_length(room: &RoomName, profile: Option<&Profile>) -> usize {
    let profile = profile.map_or(0, |profile| {
        profile.info.len() + profile.user.as_ref().map_or(0, |user| user.as_str().len())
    });
    32 + room.as_str().len() + profile
}
