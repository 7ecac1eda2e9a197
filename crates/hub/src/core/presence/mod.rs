//! The members of each room, over all nodes.
//!
//! Each node keeps a table of the members of all nodes. It owns the members that are its sessions:
//! it numbers their changes and sends them to the other nodes as deltas. Idle members cost nothing:
//! only nodes have leases, renewed by heartbeats. A node whose lease ends is dead, and its members
//! leave at every observer, once each.
//!
//! Messages between nodes may be lost, repeated, delayed and reordered. Each node divides its
//! members into 64 shards by room, and numbers the changes of each shard. A missing number shows a
//! lost delta; a heartbeat, which has the number and a hash of each shard, shows a lost last one.
//! The observer then requests a snapshot of that shard, and applies the difference.
//!
//! ```
//! # use std::time::Instant;
//! use sockeye_hub::core::presence::{
//!     Incarnation, Presence, PresenceConfig, PresenceOutput, Profile,
//! };
//! use sockeye_hub::core::{NodeId, RoomName, SessionId, UserId};
//!
//! let now = Instant::now();
//! let config = PresenceConfig::default();
//! let mut presence = Presence::new(now, NodeId(7), Incarnation(0), config.clone())?;
//!
//! let room = RoomName::new("lobby")?;
//! let session = SessionId { node: NodeId(7), number: 1 };
//! let profile = Profile { user: Some(UserId::new("alice")), info: "typing".into() };
//! presence.join(now, &room, session, profile)?;
//! assert_eq!(presence.counts(&room).users, 1);
//!
//! // The driver's loop: on any input, do all outputs, then wait for input or the timeout.
//! let now = now + config.diff_delay;
//! presence.handle_timeout(now);
//! while let Some(output) = presence.poll_output() {
//!     match output {
//!         PresenceOutput::Send { to, message } => drop((to, message.encode())),
//!         PresenceOutput::Diff { room, diff } => assert_eq!(diff.joined[0].session, session),
//!         PresenceOutput::Occupied(room) => assert_eq!(room.as_str(), "lobby"),
//!         PresenceOutput::Vacated(_) => {}
//!     }
//! }
//! assert!(presence.next_timeout() > Some(now));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod config;
mod diff;
mod exchange;
mod list;
mod message;
mod output;
mod own;
mod peer;
mod shard;
mod shard_set;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;

pub use codec::PresenceDecodeError;
pub use config::{PresenceConfig, PresenceConfigError};
pub use diff::PresenceDiff;
pub use list::PresencePage;
pub use message::{
    Change, Incarnation, Member, PresenceBody, PresenceMessage, Profile, RequestId, Section,
    ShardSummary,
};
pub use output::{PresenceError, PresenceMetrics, PresenceOutput};
pub use shard_set::{SHARDS, ShardSet};
pub use table::PresenceCounts;

use self::exchange::Link;
use self::own::Own;
use self::peer::Peer;
use self::shard::rank;
use self::table::Table;
use super::{NodeId, RoomName, SessionId, UserId};

/// The members of all rooms, as one node sees them.
///
/// Calls change the state and have no other effect: the driver must [poll](Self::poll_output) all
/// outputs after each call that takes `now`, and call [`handle_timeout`](Self::handle_timeout) at
/// [`next_timeout`](Self::next_timeout). `now` is a monotonic clock; an earlier time than that of
/// the previous call counts as the same.
///
/// Outputs are computed when they are polled, from state that is bounded by the configuration. A
/// driver that polls slowly gets fewer and longer ones.
#[derive(Debug)]
pub struct Presence {
    config: PresenceConfig,
    now: Instant,
    table: Table,
    own: Own,
    peers: BTreeMap<NodeId, Peer>,
    /// Dead nodes of which members are left.
    expired: BTreeMap<NodeId, Peer>,
    link: Link,
    heartbeat_at: Instant,
    last_heartbeat: Instant,
    /// New nodes, which get a heartbeat at once.
    greet: BTreeSet<NodeId>,
    next_request: u64,
    metrics: PresenceMetrics,
}

impl Presence {
    /// Maximum length of a user's identity in bytes.
    pub const MAX_USER: usize = 1_024;

    /// Creates the presence of a node without members, whose link to the other nodes is up.
    ///
    /// # Errors
    /// For a configuration that contradicts itself.
    pub fn new(
        now: Instant,
        node: NodeId,
        incarnation: Incarnation,
        config: PresenceConfig,
    ) -> Result<Self, PresenceConfigError> {
        config.check()?;
        Ok(Self {
            now,
            table: Table::new(config.clone()),
            own: Own::new(node, incarnation, config.delta_delay),
            peers: BTreeMap::new(),
            expired: BTreeMap::new(),
            link: Link::Up,
            heartbeat_at: now,
            last_heartbeat: now,
            greet: BTreeSet::new(),
            next_request: 0,
            metrics: PresenceMetrics::default(),
            config,
        })
    }

    /// Returns the identity of this node.
    pub const fn node(&self) -> NodeId {
        self.own.node
    }

    /// Returns the incarnation of this node, which changes after a pause or an outage of a lease.
    pub const fn incarnation(&self) -> Incarnation {
        self.own.incarnation
    }

    /// Adds a session of this node to a room, or replaces its profile if it is in the room.
    ///
    /// # Errors
    /// If the session is of another node, the profile is too long, the table is full, or the
    /// presence was shut down. Nothing has changed then.
    pub fn join(
        &mut self,
        now: Instant,
        room: &RoomName,
        session: SessionId,
        profile: Profile,
    ) -> Result<(), PresenceError> {
        let now = self.observe(now);
        self.check(session, &profile)?;
        let joined = self.member(room, session).is_some();
        // The session watches the room before it joins, so that the diff tells its own joining.
        if !joined {
            self.table.watch(room);
        }
        // An info that shared the memory of a longer message would keep all of it.
        let profile = Profile { info: Bytes::copy_from_slice(&profile.info), ..profile };
        self.own.put(&mut self.table, now, room, session, profile).map_err(|table::Full| {
            self.table.unwatch(room);
            PresenceError::Full
        })
    }

    /// Replaces the info of a session of this node in a room.
    ///
    /// # Errors
    /// If the session is not in the room or of another node, the info is too long, or the presence
    /// was shut down.
    pub fn update(
        &mut self,
        now: Instant,
        room: &RoomName,
        session: SessionId,
        info: &[u8],
    ) -> Result<(), PresenceError> {
        let now = self.observe(now);
        let profile = self.member(room, session).ok_or(PresenceError::NotJoined)?;
        let profile = Profile { info: Bytes::copy_from_slice(info), ..profile };
        self.check(session, &profile)?;
        let put = self.own.put(&mut self.table, now, room, session, profile);
        put.map_err(|table::Full| PresenceError::Full)
    }

    /// Removes a session of this node from a room. Returns whether it was in the room.
    pub fn leave(&mut self, now: Instant, room: &RoomName, session: SessionId) -> bool {
        let now = self.observe(now);
        if session.node != self.own.node {
            return false;
        }
        let Some(key) = self.table.key(room) else { return false };
        let left = self.own.remove(&mut self.table, now, room, key, session);
        if left {
            self.table.unwatch(room);
        }
        left
    }

    /// Removes a session of this node from all rooms. Returns the number of rooms it was in.
    pub fn leave_all(&mut self, now: Instant, session: SessionId) -> usize {
        let now = self.observe(now);
        if session.node != self.own.node {
            return 0;
        }
        let mut left = 0;
        for shard in 0..SHARDS {
            let keys: Vec<_> = self.own.shards[shard].rooms(session.number).collect();
            for key in keys {
                let Some(room) = self.table.name(key).cloned() else { continue };
                self.own.remove(&mut self.table, now, &room, key, session);
                self.table.unwatch(&room);
                left += 1;
            }
        }
        left
    }

    /// Adds a watcher of a room, so that diffs are told although no session of this node may be in
    /// it. The caller bounds the number of rooms that it watches.
    pub fn watch(&mut self, room: &RoomName) {
        self.table.watch(room);
    }

    /// Removes a watcher that [`watch`](Self::watch) has added.
    pub fn unwatch(&mut self, room: &RoomName) {
        self.table.unwatch(room);
    }

    /// Returns the numbers of sessions and users in a room, in the time of a lookup.
    pub fn counts(&self, room: &RoomName) -> PresenceCounts {
        self.table.counts(room)
    }

    /// Returns the number of sessions without a user in a room, in the time of a lookup.
    pub fn anonymous(&self, room: &RoomName) -> usize {
        self.table.anonymous(room)
    }

    /// Returns the profile of a session in a room.
    pub fn member(&self, room: &RoomName, session: SessionId) -> Option<Profile> {
        self.table.profile(self.table.key(room)?, session).cloned()
    }

    /// Lists up to `limit` sessions in a room, sorted; the first page with `None`, each further one
    /// with the cursor of its predecessor.
    ///
    /// The list is ahead of the diffs: it contains changes that the next
    /// [diff](PresenceOutput::Diff) of the room tells.
    pub fn list_members(
        &mut self,
        room: &RoomName,
        after: Option<SessionId>,
        limit: usize,
    ) -> PresencePage<Member, SessionId> {
        self.table.list_members(room, after, limit)
    }

    /// Lists up to `limit` users in a room, sorted, as [`list_members`](Self::list_members) lists
    /// sessions. Users are listed until they leave, the grace time after their last session.
    pub fn list_users(
        &mut self,
        room: &RoomName,
        after: Option<UserId>,
        limit: usize,
    ) -> PresencePage<UserId, UserId> {
        self.table.list_users(room, after, limit)
    }

    /// Lists up to `limit` occupied rooms, sorted by name.
    pub fn list_rooms(
        &self,
        after: Option<RoomName>,
        limit: usize,
    ) -> PresencePage<(RoomName, PresenceCounts), RoomName> {
        self.table.list_rooms(after, limit)
    }

    /// Returns the other nodes that are not dead.
    pub fn other_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.peers.keys().copied()
    }

    /// Returns whether the link to the other nodes is down, so that their members are those of the
    /// moment when it broke.
    pub fn is_stale(&self) -> bool {
        self.link != Link::Up
    }

    /// Returns the node that should report a room to a place outside of the hub, such as a webhook
    /// for `Occupied` and `Vacated`: all nodes that know the same nodes agree. It changes as nodes
    /// come and go, and a change that is told just then may be reported twice or not at all.
    pub fn reporter(&self, room: &RoomName) -> NodeId {
        let nodes = self.peers.keys().copied().chain([self.own.node]);
        nodes.max_by_key(|node| (rank(node.0, room), *node)).unwrap_or(self.own.node)
    }

    /// Returns the counters and sizes.
    pub fn metrics(&self) -> PresenceMetrics {
        PresenceMetrics {
            nodes: self.peers.len(),
            rooms: self.table.rooms_len(),
            members: self.table.members_len(),
            ..self.metrics
        }
    }

    fn check(&self, session: SessionId, profile: &Profile) -> Result<(), PresenceError> {
        if session.node != self.own.node {
            return Err(PresenceError::ForeignSession { session });
        }
        if matches!(self.link, Link::Stopping | Link::Stopped) {
            return Err(PresenceError::ShutDown);
        }
        let length = profile.info.len();
        if length > self.config.max_info {
            return Err(PresenceError::InfoTooLong { length });
        }
        let length = profile.user.as_ref().map_or(0, |user| user.as_str().len());
        if length > Self::MAX_USER {
            return Err(PresenceError::UserTooLong { length });
        }
        Ok(())
    }
}
