use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::presence::rng::Rng;

/// The chances of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// In a thousand.
    pub(crate) drop: u64,
    pub(crate) repeat: u64,
    pub(crate) delay: u64,
    /// The time of a delayed message. Others take up to 5 ms.
    pub(crate) max_delay: Duration,
    /// `true` if messages of one node to another keep their order.
    pub(crate) ordered: bool,
}

impl Faults {
    pub(crate) const NONE: Self =
        Self { drop: 0, repeat: 0, delay: 0, max_delay: Duration::ZERO, ordered: true };
}

/// A bus between nodes, which are known by their places.
#[derive(Debug)]
pub(crate) struct Bus {
    pub(crate) faults: Faults,
    /// While the bus restarts, messages are lost.
    pub(crate) up: bool,
    /// Pairs of sender and receiver that do not reach each other.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// Messages under way, by the time of their arrival.
    under_way: BTreeMap<(Duration, u64), (usize, usize, Bytes)>,
    arrivals: BTreeMap<(usize, usize), Duration>,
    sent: u64,
}

impl Bus {
    pub(crate) const fn new(faults: Faults) -> Self {
        Self {
            faults,
            up: true,
            cuts: BTreeSet::new(),
            under_way: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(crate) fn send(
        &mut self,
        rng: &mut Rng,
        now: Duration,
        from: usize,
        to: usize,
        message: &Bytes,
    ) {
        if !self.up || self.cuts.contains(&(from, to)) || rng.chance(self.faults.drop) {
            return;
        }
        let copies = if rng.chance(self.faults.repeat) { 2 } else { 1 };
        for _ in 0..copies {
            let delayed = rng.chance(self.faults.delay);
            let slowest = if delayed { self.faults.max_delay } else { Duration::from_millis(5) };
            let mut arrival = now + rng.time(Duration::ZERO..slowest);
            if self.faults.ordered {
                let last = self.arrivals.entry((from, to)).or_default();
                *last = arrival.max(*last);
                arrival = *last;
            }
            self.sent += 1;
            self.under_way.insert((arrival, self.sent), (from, to, message.clone()));
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.under_way.first_key_value().map(|(&(time, _), _)| time)
    }

    /// Returns the next message: its sender, its receiver and its bytes.
    pub(crate) fn receive(&mut self, now: Duration) -> Option<(usize, usize, Bytes)> {
        if self.next()? > now {
            return None;
        }
        self.under_way.pop_first().map(|(_, message)| message)
    }

    pub(crate) fn stop(&mut self) {
        self.up = false;
        self.under_way.clear();
        self.arrivals.clear();
    }
}
