mod codec;
mod input;
mod nodes;
mod table;

use std::time::{Duration, Instant};

use super::{
    Incarnation, Presence, PresenceConfig, PresenceDiff, PresenceMessage, PresenceOutput, Profile,
};
use crate::core::{NodeId, RoomName, SessionId, UserId};

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

fn profile(user: &str, info: &'static str) -> Profile {
    let user = (!user.is_empty()).then(|| UserId::new(user));
    Profile { user, info: info.into() }
}

/// Nodes whose messages arrive at once, unless a test loses them.
struct Pair {
    now: Instant,
    nodes: [Presence; 2],
    /// `true` if messages of a node are lost.
    lost: [bool; 2],
    /// The outputs of each node that are no messages.
    outputs: [Vec<PresenceOutput>; 2],
    sent: [Vec<PresenceMessage>; 2],
}

impl Pair {
    fn new(config: &PresenceConfig) -> Self {
        let now = Instant::now();
        let node = |id| Presence::new(now, NodeId(id), Incarnation(0), config.clone()).unwrap();
        let nodes = [node(0), node(1)];
        let outputs = [Vec::new(), Vec::new()];
        let sent = [Vec::new(), Vec::new()];
        let mut pair = Self { now, nodes, lost: [false; 2], outputs, sent };
        pair.exchange();
        pair
    }

    /// Does the outputs of both nodes until there are none.
    fn exchange(&mut self) {
        let mut idle = false;
        while !idle {
            idle = true;
            for place in 0..2 {
                while let Some(output) = self.nodes[place].poll_output() {
                    let PresenceOutput::Send { message, .. } = output else {
                        self.outputs[place].push(output);
                        continue;
                    };
                    self.sent[place].push(message.clone());
                    if !self.lost[place] {
                        idle = false;
                        self.nodes[1 - place].handle_message(self.now, message);
                    }
                }
            }
        }
    }

    /// Lets time pass for the nodes at `places`.
    fn pass_at(&mut self, time: Duration, places: &[usize]) {
        let end = self.now + time;
        let mut next = self.now;
        while next <= end {
            self.now = next;
            for &place in places {
                self.nodes[place].handle_timeout(next);
            }
            self.exchange();
            let due = places.iter().filter_map(|&place| self.nodes[place].next_timeout()).min();
            next = due.unwrap_or(end + Duration::from_nanos(1));
        }
        self.now = end;
    }

    fn pass(&mut self, time: Duration) {
        self.pass_at(time, &[0, 1]);
    }

    fn session(place: usize, number: u64) -> SessionId {
        SessionId { node: NodeId(place as u64), number }
    }

    fn join(&mut self, place: usize, name: &str, number: u64, profile: Profile) {
        let session = Self::session(place, number);
        self.nodes[place].join(self.now, &room(name), session, profile).unwrap();
        self.exchange();
    }

    fn leave(&mut self, place: usize, name: &str, number: u64) {
        let session = Self::session(place, number);
        assert!(self.nodes[place].leave(self.now, &room(name), session));
        self.exchange();
    }

    fn sessions(&self, place: usize, name: &str) -> usize {
        self.nodes[place].counts(&room(name)).sessions
    }
}
