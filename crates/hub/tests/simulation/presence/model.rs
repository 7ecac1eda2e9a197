use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_hub::core::presence::{PresenceConfig, Profile};
use sockeye_hub::core::{NodeId, RoomName, SessionId};

use crate::presence::observer::View;

/// The sessions that are in fact in the rooms, and how often each one left.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) members: BTreeMap<(RoomName, SessionId), Profile>,
    leaves: BTreeMap<(RoomName, SessionId), u64>,
}

impl Model {
    pub(crate) fn put(&mut self, room: &RoomName, session: SessionId, profile: Profile) {
        self.members.insert((room.clone(), session), profile);
    }

    pub(crate) fn remove(&mut self, room: &RoomName, session: SessionId) -> bool {
        let key = (room.clone(), session);
        let removed = self.members.remove(&key).is_some();
        if removed {
            *self.leaves.entry(key).or_default() += 1;
        }
        removed
    }

    pub(crate) fn rooms_of(&self, session: SessionId) -> Vec<RoomName> {
        let members = self.members.keys().filter(|&&(_, member)| member == session);
        members.map(|(room, _)| room.clone()).collect()
    }

    pub(crate) fn of_node(&self, node: NodeId) -> Vec<(RoomName, SessionId)> {
        self.members.keys().filter(|(_, session)| session.node == node).cloned().collect()
    }

    pub(crate) fn leaves(&self, room: &RoomName, session: SessionId) -> u64 {
        self.leaves.get(&(room.clone(), session)).copied().unwrap_or_default()
    }

    pub(crate) fn view(&self, room: &RoomName) -> View {
        let members = self.members.iter().filter(|((of, _), _)| of == room);
        let sessions: BTreeMap<_, _> =
            members.map(|(&(_, session), profile)| (session, profile.clone())).collect();
        let users = sessions.values().filter_map(|profile| profile.user.clone()).collect();
        View { sessions, users }
    }
}

/// The times from which an observer may take another node for dead: after a lease without a new
/// heartbeat, during which the observer was running and linked.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    heard: BTreeMap<NodeId, ((u64, u64), Duration)>,
    ended: BTreeMap<NodeId, u64>,
}

impl Leases {
    /// Handles a heartbeat with its incarnation and number.
    pub(crate) fn on_heartbeat(&mut self, now: Duration, node: NodeId, beat: (u64, u64)) {
        let heard = self.heard.entry(node).or_insert((beat, now));
        if beat > heard.0 {
            *heard = (beat, now);
        }
    }

    /// Handles that the observer was paused or had no link until now.
    pub(crate) fn on_return(&mut self, now: Duration) {
        for (_, heard) in self.heard.values_mut() {
            *heard = now;
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Duration, config: &PresenceConfig) {
        let ended = &mut self.ended;
        self.heard.retain(|node, (_, heard)| {
            let live = now < *heard + config.lease;
            if !live {
                *ended.entry(*node).or_default() += 1;
            }
            live
        });
    }

    pub(crate) fn on_shutdown(&mut self, node: NodeId) {
        self.heard.remove(&node);
    }

    /// Returns how many times the lease of a node has ended.
    pub(crate) fn ended(&self, node: NodeId) -> u64 {
        self.ended.get(&node).copied().unwrap_or_default()
    }
}
