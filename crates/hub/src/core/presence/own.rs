use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::message::encoded_length;
use super::shard::{Shard, shard_of};
use super::table::{Full, RoomKey, Table};
use super::{
    Change, Incarnation, PresenceBody, PresenceMessage, Profile, RequestId, SHARDS, Section,
    ShardSet,
};
use crate::core::{NodeId, RoomName, SessionId};

/// Maximum number of members in a delta or snapshot.
const MESSAGE_MEMBERS: usize = 512;

/// A delta or snapshot takes no further member beyond this length in bytes: brokers accept messages
/// of 1 MB by default, and short messages keep the heartbeats between them in time.
const MESSAGE_LENGTH: usize = 32 * 1024;

/// Maximum number of changes that wait to be sent. Beyond, all of them are dropped: the other nodes
/// find the hole by the next heartbeat and request snapshots.
const PENDING_CHANGES: usize = 16 * 1024;

/// The members of this node, and what the other nodes have yet to be told of them.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) shards: Vec<Shard>,
    /// `true` if changes are recorded for the other nodes.
    pub(super) recording: bool,
    beat: u64,
    delay: Duration,
    pending: VecDeque<Change>,
    /// The time at which the pending changes are sent.
    pending_due: Option<Instant>,
    /// Nodes that asked for shards, and the shards that were not sent yet.
    asked: BTreeMap<NodeId, (RequestId, ShardSet)>,
    /// The rest of an answer. It is sent before anything else: a delta in between would be lost.
    parts: VecDeque<PresenceMessage>,
}

impl Own {
    pub(super) fn new(node: NodeId, incarnation: Incarnation, delay: Duration) -> Self {
        Self {
            node,
            incarnation,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            recording: false,
            beat: 0,
            delay,
            pending: VecDeque::new(),
            pending_due: None,
            asked: BTreeMap::new(),
            parts: VecDeque::new(),
        }
    }

    pub(super) fn put(
        &mut self,
        table: &mut Table,
        now: Instant,
        room: &RoomName,
        session: SessionId,
        profile: Profile,
    ) -> Result<(), Full> {
        self.shards[shard_of(room)].put(table, now, room, session, &profile)?;
        self.record(now, room, session, Some(profile));
        Ok(())
    }

    /// Removes a member. Returns whether there was one.
    pub(super) fn remove(
        &mut self,
        table: &mut Table,
        now: Instant,
        room: &RoomName,
        key: RoomKey,
        session: SessionId,
    ) -> bool {
        let removed = self.shards[shard_of(room)].remove(table, now, room, key, session);
        if removed {
            self.record(now, room, session, None);
        }
        removed
    }

    /// Numbers a change, and queues it for the other nodes.
    fn record(
        &mut self,
        now: Instant,
        room: &RoomName,
        session: SessionId,
        profile: Option<Profile>,
    ) {
        let shard = &mut self.shards[shard_of(room)];
        shard.number += 1;
        let number = shard.number;
        if !self.recording {
            return;
        }
        if self.pending.len() == PENDING_CHANGES {
            self.forget_changes();
        }
        let (room, session) = (room.clone(), session.number);
        self.pending.push_back(Change { number, room, session, profile });
        self.pending_due.get_or_insert_with(|| now + self.delay);
    }

    fn forget_changes(&mut self) {
        self.pending.clear();
        self.pending_due = None;
    }

    /// Drops everything that waits to be sent. The other nodes will ask for it.
    pub(super) fn forget_all(&mut self) {
        self.forget_changes();
        self.asked.clear();
        self.parts.clear();
    }

    /// Continues with the next incarnation.
    pub(super) fn renew(&mut self) {
        self.incarnation = Incarnation(self.incarnation.0.saturating_add(1));
        self.beat = 0;
    }

    /// Records that a node asks for shards; of several requests of a node, the latest counts.
    pub(super) fn handle_request(
        &mut self,
        node: NodeId,
        id: RequestId,
        shards: ShardSet,
        max_nodes: usize,
    ) {
        let asked = self.asked.get(&node);
        if asked.map_or(self.asked.len() < max_nodes, |&(asked, _)| asked < id) {
            self.asked.insert(node, (id, shards));
        }
    }

    pub(super) const fn pending_due(&self) -> Option<Instant> {
        self.pending_due
    }

    pub(super) fn message(&self, body: PresenceBody) -> PresenceMessage {
        PresenceMessage { node: self.node, incarnation: self.incarnation, body }
    }

    /// Returns a part of an answer that has begun.
    pub(super) fn poll_part(&mut self) -> Option<(NodeId, PresenceMessage)> {
        let message = self.parts.pop_front()?;
        match message.body {
            PresenceBody::Snapshot { to, .. } => Some((to, message)),
            _ => None,
        }
    }

    /// Returns the next delta, if one is due. Deltas are sent early if `report` says that a
    /// heartbeat is next, and before answers: both tell the numbers of all changes made so far.
    pub(super) fn poll_delta(&mut self, now: Instant, report: bool) -> Option<PresenceMessage> {
        let due = self.pending_due? <= now || report || !self.asked.is_empty();
        if !due {
            return None;
        }
        let (mut changes, mut length) = (Vec::new(), 0);
        while changes.len() < MESSAGE_MEMBERS && length < MESSAGE_LENGTH {
            let Some(change) = self.pending.pop_front() else { break };
            length += encoded_length(&change.room, change.profile.as_ref());
            changes.push(change);
        }
        if self.pending.is_empty() {
            self.pending_due = None;
        }
        Some(self.message(PresenceBody::Delta { changes }))
    }

    pub(super) fn heartbeat(&mut self) -> PresenceMessage {
        self.beat += 1;
        let shards = std::array::from_fn(|shard| self.shards[shard].summary());
        self.message(PresenceBody::Heartbeat { beat: self.beat, shards: Box::new(shards) })
    }

    /// Begins an answer, if a node asked. Its parts follow by [`poll_part`](Self::poll_part).
    pub(super) fn poll_answer(&mut self, table: &Table) -> Option<(NodeId, PresenceMessage)> {
        let (to, (id, mut shards)) = self.asked.pop_first()?;
        // About one message, but always a whole shard: its parts must have one number.
        let mut answer = Answer::default();
        while answer.messages.is_empty() {
            let Some(shard) = shards.pop() else { break };
            answer.add_shard(shard, &self.shards[shard], self.node, table);
        }
        if !shards.is_empty() {
            self.asked.insert(to, (id, shards));
        }
        for sections in answer.finish() {
            let message = self.message(PresenceBody::Snapshot { to, id, sections });
            self.parts.push_back(message);
        }
        self.poll_part()
    }
}

/// Divides shards into sections and messages.
#[derive(Default)]
struct Answer {
    messages: Vec<Vec<Section>>,
    sections: Vec<Section>,
    members: usize,
    length: usize,
}

impl Answer {
    fn add_shard(&mut self, shard: usize, content: &Shard, node: NodeId, table: &Table) {
        let mut section = Section {
            shard: u8::try_from(shard).expect("less than SHARDS"),
            number: content.number,
            part: 0,
            last: true,
            members: Vec::new(),
        };
        for &(number, key) in content.members() {
            let session = SessionId { node, number };
            let (Some(room), Some(profile)) = (table.name(key), table.profile(key, session)) else {
                continue;
            };
            if self.members >= MESSAGE_MEMBERS || self.length >= MESSAGE_LENGTH {
                let next = Section { part: section.part + 1, members: Vec::new(), ..section };
                self.sections.push(Section { last: false, ..section });
                section = next;
                self.next_message();
            }
            self.members += 1;
            self.length += encoded_length(room, Some(profile));
            section.members.push((room.clone(), number, profile.clone()));
        }
        self.sections.push(section);
        if self.members >= MESSAGE_MEMBERS || self.length >= MESSAGE_LENGTH {
            self.next_message();
        }
    }

    fn next_message(&mut self) {
        self.messages.push(std::mem::take(&mut self.sections));
        (self.members, self.length) = (0, 0);
    }

    fn finish(mut self) -> Vec<Vec<Section>> {
        if !self.sections.is_empty() {
            self.next_message();
        }
        self.messages
    }
}
