//! The exchange of a presence with those of the other nodes: messages, the link and time.

use std::time::Instant;

use super::peer::Peer;
use super::{
    Incarnation, Presence, PresenceBody, PresenceMessage, PresenceOutput, RequestId, SHARDS,
    ShardSummary,
};
use crate::core::{NodeId, SessionId};

/// Maximum number of members of dead nodes that leave in one call: about 5 ms at 10 µs each, as
/// measured with 200,000 rooms on a busy machine. A million at once would keep this node from its
/// heartbeats for longer than its own lease.
const EXPIRED_MEMBERS: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    Down,
    /// The shutdown is yet to be sent.
    Stopping,
    Stopped,
}

impl Presence {
    /// Handles a message of another node. Messages that came back to their sender are ignored.
    pub fn handle_message(&mut self, now: Instant, message: PresenceMessage) {
        let now = self.observe(now);
        let PresenceMessage { node, incarnation, body } = message;
        if node == self.own.node || matches!(self.link, Link::Stopping | Link::Stopped) {
            return;
        }
        if let PresenceBody::Request { to, id, shards } = body {
            if to == self.own.node && !shards.is_empty() {
                self.own.handle_request(node, id, shards, self.config.max_nodes);
            }
            return;
        }
        if let PresenceBody::Heartbeat { beat, shards } = body {
            self.handle_heartbeat(now, node, incarnation, beat, &shards);
            return;
        }
        // Only heartbeats introduce a node or an incarnation: they tell what else is missing.
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if peer.incarnation != incarnation {
            return;
        }
        match body {
            PresenceBody::Delta { changes } => {
                for change in changes {
                    peer.handle_change(&mut self.table, now, change, &mut self.metrics);
                }
            }
            PresenceBody::Snapshot { to, id, sections } if to == self.own.node => {
                for section in sections {
                    let (table, metrics) = (&mut self.table, &mut self.metrics);
                    peer.handle_section(table, now, &self.config, id, section, metrics);
                }
            }
            PresenceBody::Shutdown => self.expire(now, node),
            _ => {}
        }
    }

    fn handle_heartbeat(
        &mut self,
        now: Instant,
        node: NodeId,
        incarnation: Incarnation,
        beat: u64,
        shards: &[ShardSummary; SHARDS],
    ) {
        if self.expired.contains_key(&node) {
            // The node is back before all its members have left. Its next heartbeat will do.
            return;
        }
        if !self.peers.contains_key(&node) {
            if self.peers.len() >= self.config.max_nodes {
                self.metrics.refused_nodes += 1;
                return;
            }
            self.peers.insert(node, Peer::new(node, incarnation, now));
            self.greet.insert(node);
            self.own.recording = self.link == Link::Up;
        }
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if peer.handle_heartbeat(incarnation, beat, shards) {
            peer.lease_until = now + self.config.lease;
        }
    }

    /// Handles the loss of the link to the other nodes: their members stay, however long it takes.
    /// Changes of this node are no longer sent.
    ///
    /// Buses must report a loss within a lease less two heartbeats: until then, the silence of the
    /// other nodes counts as theirs.
    pub fn handle_link_down(&mut self, now: Instant) {
        self.observe(now);
        if self.link == Link::Up {
            self.link = Link::Down;
            self.own.recording = false;
            self.own.forget_all();
            self.greet.clear();
            for peer in self.peers.values_mut() {
                peer.forget_request();
            }
        }
    }

    /// Handles the return of the link. The other nodes have one lease to send a heartbeat, as they
    /// may have lost the link too. If this node sent none for a lease, it continues with the next
    /// incarnation.
    pub fn handle_link_up(&mut self, now: Instant) {
        if self.link == Link::Down {
            let now = self.observe(now);
            self.link = Link::Up;
            self.own.recording = !self.peers.is_empty();
            self.renew_leases(now);
            self.heartbeat_at = now;
        }
        self.observe(now);
    }

    /// Handles the passing of time: expires nodes and prepares what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.observe(now);
        self.table.handle_timeout(now);
        self.expire_members(now);
        if self.link != Link::Up {
            return;
        }
        let mut expired = Vec::new();
        for (&node, peer) in &mut self.peers {
            peer.handle_timeout(now);
            if peer.lease_until <= now {
                expired.push(node);
            }
        }
        for node in expired {
            self.metrics.expired_nodes += 1;
            self.expire(now, node);
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout).
    pub fn next_timeout(&self) -> Option<Instant> {
        if !self.expired.is_empty() {
            return Some(self.now);
        }
        let table = self.table.next_timeout();
        if self.link != Link::Up {
            return table;
        }
        let peers = self.peers.values();
        let peers = peers.flat_map(|peer| [Some(peer.lease_until), peer.next_request_timeout()]);
        let own = [Some(self.heartbeat_at), self.own.pending_due(), table];
        peers.chain(own).flatten().min()
    }

    /// Returns the next output, until there is none.
    pub fn poll_output(&mut self) -> Option<PresenceOutput> {
        if let Some((to, message)) = self.poll_send() {
            return Some(PresenceOutput::Send { to, message });
        }
        self.table.poll().map(PresenceOutput::from)
    }

    fn poll_send(&mut self) -> Option<(Option<NodeId>, PresenceMessage)> {
        match self.link {
            Link::Up => {}
            Link::Down | Link::Stopped => return None,
            Link::Stopping => {
                self.link = Link::Stopped;
                return Some((None, self.own.message(PresenceBody::Shutdown)));
            }
        }
        if let Some((to, message)) = self.own.poll_part() {
            return Some((Some(to), message));
        }
        let beat = self.heartbeat_at <= self.now;
        if let Some(message) = self.own.poll_delta(self.now, beat || !self.greet.is_empty()) {
            return Some((None, message));
        }
        if beat {
            self.greet.clear();
            self.last_heartbeat = self.now;
            self.heartbeat_at = self.now + self.config.heartbeat;
            return Some((None, self.own.heartbeat()));
        }
        if let Some(node) = self.greet.pop_first() {
            return Some((Some(node), self.own.heartbeat()));
        }
        for (&to, peer) in &mut self.peers {
            let id = RequestId { incarnation: self.own.incarnation, number: self.next_request };
            if let Some(shards) = peer.poll_request(self.now, self.config.request_timeout, id) {
                self.next_request += 1;
                self.metrics.requests += 1;
                let body = PresenceBody::Request { to, id, shards };
                return Some((Some(to), self.own.message(body)));
            }
        }
        let (to, message) = self.own.poll_answer(&self.table)?;
        Some((Some(to), message))
    }

    /// Lets all members of this node leave, at the other nodes by one message. No message is sent
    /// afterwards, and none handled.
    pub fn shutdown(&mut self, now: Instant) {
        let now = self.observe(now);
        if matches!(self.link, Link::Stopping | Link::Stopped) {
            return;
        }
        self.link = if self.link == Link::Up { Link::Stopping } else { Link::Stopped };
        self.own.recording = false;
        self.own.forget_all();
        for shard in 0..SHARDS {
            let members: Vec<_> = self.own.shards[shard].members().iter().copied().collect();
            for (number, key) in members {
                let Some(room) = self.table.name(key).cloned() else { continue };
                let session = SessionId { node: self.own.node, number };
                self.own.remove(&mut self.table, now, &room, key, session);
                self.table.unwatch(&room);
            }
        }
    }

    /// Takes notice of the time. A node that was not called for half a lease was paused: the
    /// silence of the others may be its own. One that sent no heartbeat for a lease has expired at
    /// the others.
    pub(super) fn observe(&mut self, now: Instant) -> Instant {
        let now = now.max(self.now);
        let pause = now.duration_since(self.now);
        self.now = now;
        if self.link == Link::Up {
            if pause > self.config.lease / 2 {
                self.renew_leases(now);
            }
            if now.duration_since(self.last_heartbeat) >= self.config.lease {
                self.own.renew();
                self.last_heartbeat = now;
                self.heartbeat_at = now;
            }
        }
        now
    }

    fn renew_leases(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.lease_until = now + self.config.lease;
        }
    }

    fn expire(&mut self, now: Instant, node: NodeId) {
        if let Some(peer) = self.peers.remove(&node) {
            self.expired.insert(node, peer);
            self.expire_members(now);
        }
        self.greet.remove(&node);
        if self.peers.is_empty() {
            self.own.recording = false;
        }
    }

    fn expire_members(&mut self, now: Instant) {
        if let Some(mut peer) = self.expired.first_entry() {
            if peer.get_mut().expire(&mut self.table, now, EXPIRED_MEMBERS) {
                peer.remove();
            }
        }
    }
}
