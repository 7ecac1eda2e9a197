use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_hub::core::continuity::{CatchUpConfig, ChainConfig};
use sockeye_hub::core::history::{Entry, Limit, Retention};
use sockeye_hub::core::{Epoch, Publication, PublicationId};

use super::node::{Answer, Bounds, Node, Query};
use super::observer::{Observer, Summary};
use super::random::Random;
use super::store::Store;

/// Milliseconds after the last fault at which nothing is published any more.
const QUIET_AFTER: u64 = 3_000;
/// Milliseconds after which everybody has to be at the top: much, as some pages have one entry.
const SETTLED_AFTER: u64 = 1_000_000;

/// The faults of one run, in percent of their opportunities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) dropped: u64,
    pub(crate) repeated: u64,
    pub(crate) late: u64,
    pub(crate) failed: u64,
    /// The mean time between two restarts of the store in milliseconds; 0 for none.
    pub(crate) restarts: u64,
    /// Restarts that lose everything; the others go back to a snapshot, or lose nothing.
    pub(crate) losses: u64,
    /// Outages of links, and restarts of nodes.
    pub(crate) outages: bool,
    /// Removals of the history.
    pub(crate) removals: bool,
}

/// The settings of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) faults: Faults,
    pub(crate) shared_offsets: bool,
    pub(crate) retention: Retention,
    pub(crate) bounds: Bounds,
    pub(crate) nodes: usize,
    pub(crate) observers: usize,
    /// The mean time between two publications, in milliseconds.
    pub(crate) pace: u64,
    pub(crate) duration: u64,
}

#[derive(Debug)]
enum Event {
    Publish,
    PublishElsewhere,
    Arrive { node: usize, connection: u64, epoch: Epoch, entry: Entry },
    Reconnected { node: usize, connection: u64 },
    Serve { node: usize, life: u64, query: Query },
    Answer { node: usize, life: u64, answer: Answer },
    Timeout { node: usize },
    Poll { observer: usize },
    Move { observer: usize },
    Snapshot,
    Replica,
    Restart,
    Outage,
    Remove,
}

/// The store, the bus, the nodes and the observers of one room.
pub(crate) struct World {
    scenario: Scenario,
    random: Random,
    start: Instant,
    /// Milliseconds since the start.
    time: u64,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    store: Store,
    nodes: Vec<Node>,
    /// The number of a node's connection to the bus, and whether it is up.
    connections: Vec<(u64, bool)>,
    /// Counts a node's restarts.
    lives: Vec<u64>,
    observers: Vec<Observer>,
    /// The node that an observer is connected to.
    places: Vec<Option<usize>>,
    ids: u64,
    trace: bool,
}

impl World {
    pub(crate) fn new(scenario: Scenario, random: Random, trace: bool) -> Self {
        let start = Instant::now();
        let node = |_| Node::new(start, scenario.bounds, trace);
        let mut world = Self {
            scenario,
            random,
            start,
            time: 0,
            events: BTreeMap::new(),
            sequence: 0,
            store: Store::new(start, scenario.shared_offsets, scenario.retention),
            nodes: (0..scenario.nodes).map(node).collect(),
            connections: vec![(0, true); scenario.nodes],
            lives: vec![0; scenario.nodes],
            observers: (0..scenario.observers).map(|_| Observer::default()).collect(),
            places: vec![None; scenario.observers],
            ids: 0,
            trace,
        };
        for node in 0..scenario.nodes {
            world.send_queries(node);
            world.after(100, Event::Timeout { node });
        }
        for observer in 0..scenario.observers {
            world.after(1, Event::Move { observer });
            world.after(1, Event::Poll { observer });
        }
        for event in [Event::Publish, Event::PublishElsewhere, Event::Snapshot, Event::Replica] {
            world.after(1, event);
        }
        for event in [Event::Outage, Event::Remove] {
            world.after(3_000, event);
        }
        world.after(world.scenario.faults.restarts, Event::Restart);
        world
    }

    /// Runs with faults, then without, until everybody is at the top.
    pub(crate) fn run(mut self) -> Summary {
        let quiet = self.scenario.duration + QUIET_AFTER;
        let mut next_look = quiet;
        while let Some(((time, _), event)) = self.events.pop_first() {
            if time > next_look {
                if self.is_settled() {
                    break;
                }
                let (observers, nodes) = (&self.observers, &self.nodes);
                assert!(
                    time < quiet + SETTLED_AFTER,
                    "somebody never came in step: {observers:#?} at {nodes:#?}"
                );
                next_look = time + 500;
            }
            self.time = time;
            if self.trace && !matches!(event, Event::Poll { .. } | Event::Timeout { .. }) {
                eprintln!("{time:6} {event:?}");
            }
            self.handle(event);
        }
        let now = self.now();
        let top = self.store.leader.top(now);
        self.observers.iter().for_each(|observer| observer.check_is_at(&self.store, top));
        let mut summary = Summary::default();
        self.observers.iter().for_each(|observer| summary.add(&observer.summary));
        summary
    }

    /// Returns whether all observers follow chains that follow the store.
    fn is_settled(&mut self) -> bool {
        let now = self.now();
        let top = self.store.leader.top(now);
        let follows = |(number, place): (usize, &Option<usize>)| {
            place.is_some_and(|node| {
                self.nodes[node].is_following(number)
                    && self.observers[number].position.is_some_and(|position| {
                        position.epoch == top.epoch
                            && self.store.last_seen_at(&position) == self.store.last_seen_at(&top)
                    })
            })
        };
        self.places.iter().enumerate().all(follows)
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.time)
    }

    fn is_faulty(&self) -> bool {
        self.time < self.scenario.duration
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.is_faulty() && self.random.chance(percent)
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.time + delay, self.sequence), event);
    }

    fn again(&mut self, mean: u64, event: Event) {
        let delay = self.random.between(1, 2 * mean);
        self.after(delay, event);
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Publish => self.publish(),
            Event::PublishElsewhere => {
                self.store.publish_elsewhere();
                self.again(self.scenario.pace, Event::PublishElsewhere);
            }
            Event::Arrive { node, connection, epoch, entry } => {
                if self.connections[node] == (connection, true) {
                    let (store, observers) = (&self.store, &mut self.observers);
                    self.nodes[node].on_publication(now, store, observers, epoch, entry);
                    self.send_queries(node);
                }
            }
            Event::Reconnected { node, connection } => {
                if self.connections[node] == (connection, false) {
                    self.connections[node].1 = true;
                    self.nodes[node].on_reconnected(now);
                    self.send_queries(node);
                }
            }
            Event::Serve { node, life, query } => {
                let answer = self.serve(query);
                let delay = self.delay();
                self.after(delay, Event::Answer { node, life, answer });
            }
            Event::Answer { node, life, answer } => {
                if self.lives[node] == life {
                    let (store, observers) = (&self.store, &mut self.observers);
                    self.nodes[node].on_answer(now, store, observers, answer);
                    self.send_queries(node);
                }
            }
            Event::Timeout { node } => {
                self.nodes[node].on_timeout(now);
                self.send_queries(node);
                self.after(100, Event::Timeout { node });
            }
            Event::Poll { observer } => {
                if let Some(node) = self.places[observer] {
                    let budget = self.random.size(0, 60);
                    let (store, client) = (&self.store, &mut self.observers[observer]);
                    self.nodes[node].poll(now, store, client, observer, budget);
                    self.send_queries(node);
                }
                self.again(8, Event::Poll { observer });
            }
            Event::Move { observer } => {
                self.move_observer(observer);
                self.again(1_500, Event::Move { observer });
            }
            Event::Snapshot => {
                self.store.take_snapshot();
                self.again(2_000, Event::Snapshot);
            }
            Event::Replica => {
                self.store.refresh_replica();
                self.again(100, Event::Replica);
            }
            Event::Restart => {
                let mean = self.scenario.faults.restarts;
                if mean > 0 && self.is_faulty() {
                    self.restart();
                    self.again(mean, Event::Restart);
                }
            }
            Event::Outage => {
                if self.is_faulty() && self.scenario.faults.outages {
                    let node = self.random.index(self.nodes.len());
                    if self.random.chance(30) { self.kill(node) } else { self.disconnect(node) }
                }
                self.again(3_000, Event::Outage);
            }
            Event::Remove => {
                if self.is_faulty() && self.scenario.faults.removals {
                    self.store.remove();
                }
                self.again(8_000, Event::Remove);
            }
        }
    }

    fn publish(&mut self) {
        if self.time > self.scenario.duration + QUIET_AFTER {
            return;
        }
        let mut publication = Publication::new("x".repeat(self.random.size(0, 20)));
        if self.random.chance(50) {
            // A publisher that lost the acknowledgement publishes again.
            let id = if self.random.chance(20) { self.ids.saturating_sub(2) } else { self.ids };
            self.ids += 1;
            publication.id = Some(PublicationId::new(&id.to_string()));
        }
        let now = self.now();
        if let Some(entry) = self.store.publish(now, publication) {
            let epoch = self.store.leader.top(now).epoch;
            for node in 0..self.nodes.len() {
                self.send(node, epoch, &entry);
            }
        }
        // Bursts and pauses.
        let mean =
            if self.random.chance(3) { 100 * self.scenario.pace } else { self.scenario.pace };
        self.again(mean, Event::Publish);
    }

    /// Sends a publication to a node, as a bus that drops, repeats and reorders.
    fn send(&mut self, node: usize, epoch: Epoch, entry: &Entry) {
        let (connection, up) = self.connections[node];
        if !up || self.chance(self.scenario.faults.dropped) {
            return;
        }
        let repeats = u64::from(self.chance(self.scenario.faults.repeated));
        for _ in 0..=repeats {
            let late = self.chance(self.scenario.faults.late);
            let delay = if late { self.random.between(1, 3_000) } else { 5 };
            self.after(delay, Event::Arrive { node, connection, epoch, entry: entry.clone() });
        }
    }

    fn serve(&mut self, query: Query) -> Answer {
        let now = self.now();
        let lost = self.chance(self.scenario.faults.failed);
        match query {
            Query::Top { token } => {
                let top = self.store.leader.top(now);
                Answer::Top { token, top: Some(top).filter(|_| !lost) }
            }
            Query::ReplaceEpoch { token, expected } => {
                let top = self.store.replace_epoch(now, expected);
                Answer::Top { token, top: Some(top).filter(|_| !lost) }
            }
            Query::Read(read) => {
                let replica = !read.leader && self.random.chance(50);
                let history =
                    if replica { &mut self.store.replica } else { &mut self.store.leader };
                let page = history.read(now, read.range);
                Answer::Read(Some(Arc::new(page)).filter(|_| !lost))
            }
        }
    }

    fn send_queries(&mut self, node: usize) {
        for query in std::mem::take(&mut self.nodes[node].queries) {
            if self.trace {
                eprintln!("{:6}   node {node} asks {query:?}", self.time);
            }
            let (delay, life) = (self.delay(), self.lives[node]);
            self.after(delay, Event::Serve { node, life, query });
        }
    }

    fn delay(&mut self) -> u64 {
        if self.chance(5) { self.random.between(1, 1_000) } else { self.random.between(1, 20) }
    }

    fn move_observer(&mut self, number: usize) {
        match self.places[number] {
            Some(_) if !self.is_faulty() => {}
            Some(node) => {
                self.nodes[node].leave(number);
                self.places[number] = None;
            }
            None => {
                let node = self.random.index(self.nodes.len());
                let observer = &mut self.observers[number];
                if self.nodes[node].join(&self.store, number, observer) {
                    self.places[number] = Some(node);
                }
            }
        }
    }

    fn restart(&mut self) {
        let now = self.now();
        if self.random.chance(self.scenario.faults.losses) {
            self.store.lose(now);
        } else if self.random.chance(80) {
            self.store.roll_back();
        }
        for node in 0..self.nodes.len() {
            // The tags of predecessors suffice if the bus tells nothing of it, and delivers what it
            // had taken before.
            if self.scenario.shared_offsets || self.random.chance(50) {
                self.disconnect(node);
            }
        }
    }

    /// Ends a node's connection: what is under way on it is lost.
    fn disconnect(&mut self, node: usize) {
        self.connections[node] = (self.connections[node].0 + 1, false);
        let connection = self.connections[node].0;
        self.nodes[node].chain.on_disconnected();
        self.again(300, Event::Reconnected { node, connection });
    }

    fn kill(&mut self, node: usize) {
        let now = self.now();
        for number in self.nodes[node].sessions().collect::<Vec<_>>() {
            self.places[number] = None;
        }
        self.lives[node] += 1;
        self.connections[node] = (self.connections[node].0 + 1, true);
        self.nodes[node] = Node::new(now, self.scenario.bounds, self.trace);
        self.send_queries(node);
    }
}

/// Draws the settings of a run.
pub(crate) fn draw(random: &mut Random) -> Scenario {
    let faults = Faults {
        dropped: random.pick(&[0, 1, 10, 40]),
        repeated: random.pick(&[0, 10]),
        late: random.pick(&[0, 5, 30]),
        failed: random.pick(&[0, 10, 50]),
        restarts: random.pick(&[0, 6_000]),
        losses: 25,
        outages: random.chance(50),
        removals: random.chance(20),
    };
    let limit = |random: &mut Random, most: usize| Limit {
        count: random.size(1, most),
        bytes: random.size(30, 20 * most + 30),
    };
    let chain = ChainConfig {
        silence: Duration::from_millis(random.between(500, 3_000)),
        jitter: Duration::from_millis(random.between(0, 500)),
        retry: Duration::from_millis(random.between(100, 1_000)),
        held: limit(random, 40),
    };
    let catch_up = CatchUpConfig {
        limit: random.pick(&[5, 50, 10_000]),
        held: limit(random, 40),
        chunk: random.size(1, 20),
    };
    let retention = Retention {
        count: random.pick(&[0, 3, 20, 200, 10_000]),
        age: Duration::from_millis(random.pick(&[500, 5_000, 3_600_000])),
        bytes: random.pick(&[100, 10_000, 1 << 20]),
    };
    Scenario {
        faults,
        shared_offsets: random.chance(30),
        retention,
        bounds: Bounds { chain, catch_up, page: limit(random, 100) },
        nodes: random.size(1, 3),
        observers: random.size(1, 6),
        pace: random.pick(&[5, 40, 200]),
        duration: random.between(5_000, 20_000),
    }
}
