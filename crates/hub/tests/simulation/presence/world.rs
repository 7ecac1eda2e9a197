use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sockeye_hub::core::presence::{
    Incarnation, Presence, PresenceBody, PresenceConfig, PresenceMessage, PresenceOutput, Profile,
};
use sockeye_hub::core::{NodeId, RoomName, SessionId};

use crate::presence::bus::Bus;
use crate::presence::model::{Leases, Model};
use crate::presence::observer::{Lister, Observer};
use crate::presence::rng::Rng;

/// A node of the simulation: a place on the bus, with one process after the other.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    incarnation: u64,
    /// `None` while the node is dead.
    pub(crate) presence: Option<Presence>,
    pub(crate) paused: bool,
    pub(crate) linked: bool,
    /// Messages that arrived during a pause.
    backlog: VecDeque<Bytes>,
    pub(crate) sessions: Vec<SessionId>,
    pub(crate) observer: Observer,
    leases: Leases,
    pub(crate) lister: Option<(RoomName, Lister)>,
    /// The time of the last call of the presence.
    called: Duration,
    /// The last time at which the node began, was paused or unlinked, or returned.
    disturbed: Duration,
}

/// An event that was planned.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Act,
    Start(usize),
    Resume(usize),
    LinkDown(usize),
    LinkUp(usize),
    BusUp,
    Join(usize, usize),
    /// Check that a dead node has no members any more.
    Bury(Duration, Vec<(RoomName, SessionId)>),
}

/// Nodes, a bus, a clock and what happens.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) config: PresenceConfig,
    pub(crate) now: Duration,
    beginning: Instant,
    pub(crate) bus: Bus,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rooms: Vec<RoomName>,
    pub(crate) model: Model,
    pub(crate) plans: BTreeMap<(Duration, u64), Plan>,
    planned: u64,
    next_id: u64,
    next_session: u64,
    /// Messages that are no heartbeats.
    pub(crate) sent: u64,
    pub(crate) heartbeats: u64,
}

impl World {
    pub(crate) fn new(rng: Rng, bus: Bus, nodes: usize, rooms: usize) -> Self {
        let mut world = Self {
            rng,
            config: PresenceConfig { max_diff: 100, ..PresenceConfig::default() },
            now: Duration::ZERO,
            beginning: Instant::now(),
            bus,
            nodes: Vec::new(),
            rooms: (0..rooms).map(|n| RoomName::new(&format!("room {n}")).unwrap()).collect(),
            model: Model::default(),
            plans: BTreeMap::new(),
            planned: 0,
            next_id: 1,
            next_session: 1,
            sent: 0,
            heartbeats: 0,
        };
        for place in 0..nodes {
            world.nodes.push(Node::dead());
            world.start(place, false);
        }
        world
    }

    pub(crate) fn instant(&self) -> Instant {
        self.beginning + self.now
    }

    pub(crate) fn plan(&mut self, after: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((self.now + after, self.planned), plan);
    }

    pub(crate) fn running(&self) -> Vec<usize> {
        let running = |&place: &usize| self.nodes[place].is_running();
        (0..self.nodes.len()).filter(running).collect()
    }

    pub(crate) fn new_session(&mut self, place: usize) -> SessionId {
        self.next_session += 1;
        let session = SessionId { node: self.nodes[place].id, number: self.next_session };
        self.nodes[place].sessions.push(session);
        session
    }

    /// Starts a process in place of a dead one.
    pub(crate) fn start(&mut self, place: usize, same_id: bool) {
        let (now, instant) = (self.now, self.instant());
        let node = &mut self.nodes[place];
        let incarnation = if same_id { node.incarnation + 100 } else { 0 };
        if same_id {
            // The leases of the new process keep the members of the dead one until its snapshot.
            let id = node.id;
            self.plans.retain(|_, plan| {
                !matches!(plan, Plan::Bury(_, members)
                    if members.iter().any(|(_, session)| session.node == id))
            });
        } else {
            node.id = NodeId(self.next_id);
            self.next_id += 1;
        }
        let life = Incarnation(incarnation);
        let mut presence = Presence::new(instant, node.id, life, self.config.clone()).unwrap();
        for room in &self.rooms {
            presence.watch(room);
        }
        let presence = Some(presence);
        *node = Node {
            id: node.id,
            incarnation,
            presence,
            called: now,
            disturbed: now,
            ..Node::dead()
        };
        if !self.bus.up {
            self.link_down(place);
            self.plan(Duration::from_secs(1), Plan::LinkUp(place));
        }
        self.drain(place);
    }

    pub(crate) fn kill(&mut self, place: usize) {
        let id = self.nodes[place].id;
        let members = self.model.of_node(id);
        for (room, session) in &members {
            self.model.remove(room, *session);
        }
        self.nodes[place].presence = None;
        // A lease after the last heartbeat, which may be under way for the time of a delay.
        let ghosts = self.config.lease + Duration::from_secs(1);
        self.plan(ghosts, Plan::Bury(self.now, members));
    }

    pub(crate) fn shutdown(&mut self, place: usize) {
        let instant = self.instant();
        if let Some(presence) = &mut self.nodes[place].presence {
            presence.shutdown(instant);
        }
        self.drain(place);
        self.kill(place);
    }

    pub(crate) fn pause(&mut self, place: usize, time: Duration) {
        self.nodes[place].paused = true;
        self.plan(time, Plan::Resume(place));
    }

    fn resume(&mut self, place: usize) {
        let (now, instant) = (self.now, self.instant());
        let timer_first = self.rng.chance(500);
        let node = &mut self.nodes[place];
        let Some(presence) = node.presence.as_mut().filter(|_| node.paused) else { return };
        node.paused = false;
        node.disturbed = now;
        if now.saturating_sub(node.called) > self.config.lease / 2 {
            node.leases.on_return(now);
        }
        if timer_first {
            if node.linked {
                node.leases.on_timeout(now, &self.config);
            }
            presence.handle_timeout(instant);
            self.drain(place);
        }
        while let Some(message) = self.nodes[place].backlog.pop_front() {
            self.deliver(place, &message);
        }
    }

    pub(crate) fn link_down(&mut self, place: usize) {
        let (now, instant) = (self.now, self.instant());
        let node = &mut self.nodes[place];
        let Some(presence) = &mut node.presence else { return };
        presence.handle_link_down(instant);
        node.disturbed = now;
        node.linked = false;
        assert!(presence.is_stale());
        self.drain(place);
    }

    fn link_up(&mut self, place: usize) {
        if !self.bus.up || self.nodes[place].paused {
            self.plan(Duration::from_secs(1), Plan::LinkUp(place));
            return;
        }
        let (now, instant) = (self.now, self.instant());
        let node = &mut self.nodes[place];
        let Some(presence) = &mut node.presence else { return };
        if !node.linked {
            presence.handle_link_up(instant);
            node.disturbed = now;
            node.linked = true;
            node.leases.on_return(now);
        }
        self.drain(place);
    }

    /// Runs until a time. `act` is called for each planned act.
    pub(crate) fn run(&mut self, end: Duration, mut act: impl FnMut(&mut Self)) {
        loop {
            let wakes = self.running().into_iter().filter_map(|place| {
                let due = self.nodes[place].presence.as_ref()?.next_timeout()?;
                Some(due.duration_since(self.beginning))
            });
            let plan = self.plans.first_key_value().map(|(&(time, _), _)| time);
            let next = wakes.chain(plan).chain(self.bus.next()).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.step(&mut act);
        }
        self.now = end;
    }

    fn step(&mut self, act: &mut impl FnMut(&mut Self)) {
        while let Some((_, to, message)) = self.bus.receive(self.now) {
            let node = &mut self.nodes[to];
            if node.paused {
                node.backlog.push_back(message);
            } else if node.linked {
                self.deliver(to, &message);
            }
        }
        for place in self.running() {
            let instant = self.instant();
            let node = &mut self.nodes[place];
            if node.linked {
                node.leases.on_timeout(self.now, &self.config);
            }
            // A node with many members to expire is due several times.
            for round in 0.. {
                let presence = self.nodes[place].presence.as_mut();
                let Some(presence) = presence
                    .filter(|presence| presence.next_timeout().is_some_and(|due| due <= instant))
                else {
                    break;
                };
                assert!(round < 100, "nothing is due for ever");
                presence.handle_timeout(instant);
                self.drain(place);
            }
        }
        while self.plans.first_key_value().is_some_and(|(&(time, _), _)| time <= self.now) {
            let Some((_, plan)) = self.plans.pop_first() else { return };
            match plan {
                Plan::Act => act(self),
                Plan::Start(place) if self.nodes[place].presence.is_none() => {
                    let same_id = self.bus.faults.drop <= 20 && self.rng.chance(300);
                    self.start(place, same_id);
                }
                Plan::Resume(place) => self.resume(place),
                Plan::LinkDown(place) if self.nodes[place].is_running() => self.link_down(place),
                Plan::Start(_) | Plan::LinkDown(_) => {}
                Plan::LinkUp(place) => self.link_up(place),
                Plan::BusUp => self.bus.up = true,
                Plan::Join(from, to) => drop(self.bus.cuts.remove(&(from, to))),
                Plan::Bury(died, members) => self.check_burial(died, &members),
            }
        }
    }

    fn check_burial(&self, died: Duration, members: &[(RoomName, SessionId)]) {
        for node in &self.nodes {
            let Some(presence) = &node.presence else { continue };
            if node.paused || !node.linked || node.disturbed >= died {
                continue;
            }
            for (room, session) in members {
                let ghost = presence.member(room, *session);
                assert_eq!(ghost, None, "{session} died {died:?} and is in {room} of {}", node.id);
            }
        }
    }

    fn deliver(&mut self, place: usize, bytes: &Bytes) {
        let (now, instant) = (self.now, self.instant());
        let message = PresenceMessage::decode(bytes).unwrap();
        let node = &mut self.nodes[place];
        let Some(presence) = &mut node.presence else { return };
        match message.body {
            PresenceBody::Heartbeat { beat, .. } if message.node != node.id => {
                node.leases.on_heartbeat(now, message.node, (message.incarnation.0, beat));
            }
            PresenceBody::Shutdown => node.leases.on_shutdown(message.node),
            _ => {}
        }
        presence.handle_message(instant, message);
        self.drain(place);
    }

    /// Calls a running node, and does its outputs.
    pub(crate) fn call<T>(
        &mut self,
        place: usize,
        call: impl FnOnce(&mut Presence, Instant) -> T,
    ) -> T {
        let instant = self.instant();
        let result = call(self.nodes[place].presence.as_mut().unwrap(), instant);
        self.drain(place);
        result
    }

    pub(crate) fn join(
        &mut self,
        place: usize,
        room: &RoomName,
        session: SessionId,
        profile: &Profile,
    ) {
        self.model.put(room, session, profile.clone());
        let profile = profile.clone();
        self.call(place, |presence, now| presence.join(now, room, session, profile).unwrap());
    }

    pub(crate) fn leave(&mut self, place: usize, room: &RoomName, session: SessionId) {
        let left = self.model.remove(room, session);
        let told = self.call(place, |presence, now| presence.leave(now, room, session));
        assert_eq!(told, left);
    }

    fn drain(&mut self, place: usize) {
        self.nodes[place].called = self.now;
        loop {
            let node = &mut self.nodes[place];
            let Some(output) = node.presence.as_mut().and_then(Presence::poll_output) else {
                return;
            };
            match output {
                PresenceOutput::Send { to, message } => self.send(place, to, &message),
                PresenceOutput::Occupied(room) => node.observer.on_occupied(room),
                PresenceOutput::Vacated(room) => node.observer.on_vacated(&room),
                PresenceOutput::Diff { room, diff } => {
                    node.observer.on_diff(&room, &diff);
                    if let Some((_, lister)) = node.lister.as_mut().filter(|(of, _)| *of == room) {
                        lister.on_diff(&diff);
                    }
                    for member in &diff.left {
                        let session = member.session;
                        let causes =
                            self.model.leaves(&room, session) + node.leases.ended(session.node);
                        let told = node.observer.leaves.get(&(room.clone(), session));
                        assert!(
                            told.is_none_or(|&told| told <= causes),
                            "node {} told {told:?} leaves of {session} after {causes}",
                            node.id
                        );
                    }
                }
            }
        }
    }

    fn send(&mut self, place: usize, to: Option<NodeId>, message: &PresenceMessage) {
        let bytes = message.encode();
        assert_eq!(PresenceMessage::decode(&bytes).as_ref(), Ok(message));
        match message.body {
            PresenceBody::Heartbeat { .. } => self.heartbeats += 1,
            _ => self.sent += 1,
        }
        // A bus may return what is sent to all nodes to its sender.
        for other in 0..self.nodes.len() {
            if to.is_none_or(|to| self.nodes[other].id == to) {
                self.bus.send(&mut self.rng, self.now, place, other, &bytes);
            }
        }
    }

    /// Checks that all living nodes agree with the model.
    pub(crate) fn check_agreement(&mut self) {
        for place in self.running() {
            let node = &mut self.nodes[place];
            let presence = node.presence.as_mut().unwrap();
            for room in &self.rooms {
                let truth = self.model.view(room);
                let listed = presence.list_members(room, None, usize::MAX).items;
                let listed: BTreeMap<_, _> =
                    listed.into_iter().map(|member| (member.session, member.profile)).collect();
                assert_eq!(listed, truth.sessions, "sessions in {room} at node {}", node.id);
                let users = presence.list_users(room, None, usize::MAX).items;
                assert!(users.iter().eq(&truth.users), "users in {room} at node {}", node.id);
                let counts = presence.counts(room);
                assert_eq!(counts.sessions, truth.sessions.len());
                assert_eq!(counts.users, truth.users.len());
                let told = node.observer.rooms.get(room).cloned().unwrap_or_default();
                assert_eq!(told, truth, "diffs of {room} at node {}", node.id);
                assert_eq!(node.observer.occupied.contains(room), !truth.sessions.is_empty());
                let client = node.lister.as_ref().filter(|(of, _)| of == room);
                if let Some((_, lister)) = client.filter(|(_, lister)| lister.is_done()) {
                    assert_eq!(lister.view, truth, "client's list of {room} at node {}", node.id);
                }
            }
        }
    }
}

impl Node {
    fn dead() -> Self {
        Self {
            id: NodeId(0),
            incarnation: 0,
            presence: None,
            paused: false,
            linked: true,
            backlog: VecDeque::new(),
            sessions: Vec::new(),
            observer: Observer::default(),
            leases: Leases::default(),
            lister: None,
            called: Duration::ZERO,
            disturbed: Duration::ZERO,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.presence.is_some() && !self.paused
    }
}
