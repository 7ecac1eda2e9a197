use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::shard::{Shard, shard_of};
use super::table::Table;
use super::{
    Change, Incarnation, PresenceConfig, PresenceMetrics, Profile, RequestId, SHARDS, Section,
    ShardSet, ShardSummary,
};
use crate::core::{NodeId, RoomName, SessionId};

/// Minimum time between two requests to a node, so that a bus that reorders many messages does not
/// cause as many snapshots.
const REQUEST_INTERVAL: Duration = Duration::from_millis(100);

/// Another node, as this node knows it.
///
/// Each shard is in step, and then applies each change whose number is the next, or it is wanted:
///
/// ```text
///              hole in the numbers, or
///              a heartbeat with a higher number, or another hash
///            ┌───────────────────────────────────────────────────┐
///       ┌────┴────┐                                         ┌────▼───┐
///       │ in step │                                         │ wanted │◄── new node
///       └────▲────┘                                         └────┬───┘
///            └───────────────────────────────────────────────────┘
///              snapshot that answers the outstanding request
/// ```
///
/// A wanted shard keeps its members: the snapshot decides which of them join, change and leave.
/// Only a live node answers a request, so late messages of a dead node bring no member back.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) incarnation: Incarnation,
    pub(super) lease_until: Instant,
    node: NodeId,
    beat: u64,
    shards: Vec<Shard>,
    wanted: ShardSet,
    request: Option<Request>,
    /// The earliest time of the next request.
    request_from: Instant,
}

/// An outstanding request.
#[derive(Debug)]
struct Request {
    id: RequestId,
    /// The shards whose answer may still come.
    shards: ShardSet,
    /// The time at which the request is given up, unless a part arrives before.
    deadline: Instant,
    /// Shards of which some parts have arrived.
    parts: BTreeMap<usize, Parts>,
}

/// The first parts of a shard.
#[derive(Debug, Default)]
struct Parts {
    next: u32,
    /// The number of the shard, in all parts. A request that the bus repeats is answered twice, and
    /// parts of both answers must not be mixed.
    number: u64,
    members: Vec<(RoomName, u64, Profile)>,
}

impl Peer {
    pub(super) fn new(node: NodeId, incarnation: Incarnation, now: Instant) -> Self {
        Self {
            incarnation,
            lease_until: now,
            node,
            beat: 0,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            wanted: ShardSet::ALL,
            request: None,
            request_from: now,
        }
    }

    /// Handles a heartbeat of the current incarnation or a later one. Returns whether it renews the
    /// lease.
    pub(super) fn handle_heartbeat(
        &mut self,
        incarnation: Incarnation,
        beat: u64,
        summaries: &[ShardSummary; SHARDS],
    ) -> bool {
        let new = incarnation > self.incarnation;
        if incarnation < self.incarnation || (!new && beat <= self.beat) {
            return false;
        }
        if new {
            self.incarnation = incarnation;
            self.forget_request();
        }
        self.beat = beat;
        for (index, (shard, summary)) in self.shards.iter().zip(summaries).enumerate() {
            let own = shard.summary();
            // A lower number is late, unless the node has begun again.
            if own != *summary && (new || own.number <= summary.number) {
                self.wanted.insert(index);
            }
        }
        true
    }

    /// Applies a change, if its number is the next one of its shard.
    pub(super) fn handle_change(
        &mut self,
        table: &mut Table,
        now: Instant,
        change: Change,
        metrics: &mut PresenceMetrics,
    ) {
        let index = shard_of(&change.room);
        let shard = &mut self.shards[index];
        if self.wanted.contains(index) || change.number <= shard.number {
            return;
        }
        if change.number - 1 > shard.number {
            metrics.holes += 1;
            self.wanted.insert(index);
            return;
        }
        shard.number = change.number;
        let session = SessionId { node: self.node, number: change.session };
        match change.profile {
            Some(profile) => {
                if shard.put(table, now, &change.room, session, &profile).is_err() {
                    metrics.refused_members += 1;
                }
            }
            None => {
                if let Some(key) = table.key(&change.room) {
                    shard.remove(table, now, &change.room, key, session);
                }
            }
        }
    }

    /// Returns the shards to request now, if any.
    pub(super) fn poll_request(
        &mut self,
        now: Instant,
        timeout: Duration,
        id: RequestId,
    ) -> Option<ShardSet> {
        if self.wanted.is_empty() || self.request.is_some() || now < self.request_from {
            return None;
        }
        let (shards, deadline) = (self.wanted, now + timeout);
        self.request = Some(Request { id, shards, deadline, parts: BTreeMap::new() });
        self.request_from = now + REQUEST_INTERVAL;
        Some(shards)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.request.as_ref().is_some_and(|request| request.deadline <= now) {
            self.request = None;
        }
    }

    pub(super) fn next_request_timeout(&self) -> Option<Instant> {
        match &self.request {
            Some(request) => Some(request.deadline),
            None => (!self.wanted.is_empty()).then_some(self.request_from),
        }
    }

    pub(super) fn forget_request(&mut self) {
        self.request = None;
    }

    /// Handles a part of an answer.
    pub(super) fn handle_section(
        &mut self,
        table: &mut Table,
        now: Instant,
        config: &PresenceConfig,
        id: RequestId,
        section: Section,
        metrics: &mut PresenceMetrics,
    ) {
        let index = usize::from(section.shard);
        let Some(request) = &mut self.request else { return };
        if request.id != id || !request.shards.contains(index) {
            return;
        }
        request.deadline = now + config.request_timeout;
        let parts = request.parts.entry(index).or_default();
        if section.part < parts.next {
            return;
        }
        if section.part == 0 {
            parts.number = section.number;
        }
        // A part was lost or overtaken, or there are more than the table may hold: the shard stays
        // wanted, and is requested again once the rest of this answer has arrived.
        let whole = section.part == parts.next
            && section.number == parts.number
            && parts.members.len() <= config.max_members;
        if whole {
            parts.next = parts.next.saturating_add(1);
            parts.members.extend(section.members);
            if !section.last {
                return;
            }
        }
        let parts = request.parts.remove(&index).unwrap_or_default();
        request.shards.remove(index);
        if request.shards.is_empty() {
            self.request = None;
        }
        if whole {
            self.replace(table, now, index, section.number, parts.members, metrics);
        }
    }

    /// Replaces the members of a shard by those of a snapshot.
    fn replace(
        &mut self,
        table: &mut Table,
        now: Instant,
        index: usize,
        number: u64,
        members: Vec<(RoomName, u64, Profile)>,
        metrics: &mut PresenceMetrics,
    ) {
        metrics.snapshots += 1;
        self.wanted.remove(index);
        let shard = &mut self.shards[index];
        shard.number = number;
        let mut gone = shard.members().clone();
        // Joins before leaves: a user whose session was replaced by another stays.
        for (room, session, profile) in members {
            if shard_of(&room) != index {
                continue;
            }
            let session = SessionId { node: self.node, number: session };
            match shard.put(table, now, &room, session, &profile) {
                Ok(key) => drop(gone.remove(&(session.number, key))),
                Err(_) => metrics.refused_members += 1,
            }
        }
        for (number, key) in gone {
            if let Some(room) = table.name(key).cloned() {
                shard.remove(table, now, &room, key, SessionId { node: self.node, number });
            }
        }
    }

    /// Lets up to `limit` members leave. Returns whether none is left.
    pub(super) fn expire(&mut self, table: &mut Table, now: Instant, limit: usize) -> bool {
        let mut left = 0;
        for shard in &mut self.shards {
            while let Some((number, key)) = shard.pop() {
                table.remove(now, key, SessionId { node: self.node, number });
                left += 1;
                if left == limit {
                    return false;
                }
            }
        }
        true
    }
}
