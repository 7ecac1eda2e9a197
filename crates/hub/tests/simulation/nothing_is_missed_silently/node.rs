use std::collections::BTreeMap;

use sockeye_hub::core::continuity::{
    Ask, CatchUp, CatchUpConfig, CatchUpOutput, Chain, ChainConfig, ChainOutput, Question, Read,
    ReadShare, Received, SharedRead,
};
use sockeye_hub::core::history::{Entry, Gap, Limit, Page};
use sockeye_hub::core::{Epoch, Position};
use std::sync::Arc;
use std::time::Instant;

use super::observer::Observer;
use super::store::Store;

/// The bounds of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) chain: ChainConfig,
    pub(crate) catch_up: CatchUpConfig,
    pub(crate) page: Limit,
}

/// A question of a node to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Query {
    Top { token: u64 },
    ReplaceEpoch { token: u64, expected: Epoch },
    Read(SharedRead),
}

/// An answer of the store, which may be lost on its way.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Top { token: u64, top: Option<Position> },
    Read(Option<Arc<Page>>),
}

#[derive(Clone, Copy, Debug)]
enum Reader {
    Chain(u64),
    /// The number of a recovery, as an observer may return before its last read is answered.
    Recovery(u64),
}

/// One node of the hub with the sessions of one room.
#[derive(Debug)]
pub(crate) struct Node {
    bounds: Bounds,
    pub(crate) chain: Chain,
    share: ReadShare<Reader>,
    /// By the number of the observer; `None` follows the chain.
    sessions: BTreeMap<usize, Option<(u64, CatchUp)>>,
    recoveries: u64,
    pub(crate) queries: Vec<Query>,
    trace: bool,
}

impl Node {
    pub(crate) fn new(now: Instant, bounds: Bounds, trace: bool) -> Self {
        let (chain, ask) = Chain::new(now, bounds.chain);
        let mut node = Self {
            bounds,
            chain,
            share: ReadShare::new(bounds.page),
            sessions: BTreeMap::new(),
            recoveries: 0,
            queries: Vec::new(),
            trace,
        };
        node.on_ask(ask);
        node
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = usize> + '_ {
        self.sessions.keys().copied()
    }

    pub(crate) fn is_following(&self, observer: usize) -> bool {
        matches!(self.sessions.get(&observer), Some(None))
    }

    /// Returns whether the observer joined: the room's position has to be known.
    pub(crate) fn join(&mut self, store: &Store, number: usize, observer: &mut Observer) -> bool {
        let Some(live) = self.chain.position() else { return false };
        let session = observer.on_returned().map(|from| {
            self.recoveries += 1;
            (self.recoveries, CatchUp::new(from, live, self.bounds.catch_up))
        });
        if session.is_none() {
            observer.on_joined(store, live);
        }
        self.sessions.insert(number, session);
        true
    }

    pub(crate) fn leave(&mut self, number: usize) {
        if let Some(Some((left, _))) = self.sessions.remove(&number) {
            self.share
                .remove(|reader| matches!(reader, Reader::Recovery(recovery) if *recovery == left));
        }
    }

    pub(crate) fn on_publication(
        &mut self,
        now: Instant,
        store: &Store,
        observers: &mut [Observer],
        epoch: Epoch,
        entry: Entry,
    ) {
        match self.chain.on_publication(now, epoch, entry) {
            Received::Deliver(entry) => self.deliver(store, observers, epoch, &entry),
            Received::Ask(ask) => self.on_ask(ask),
            Received::Repeated | Received::Held => {}
        }
    }

    pub(crate) fn on_reconnected(&mut self, now: Instant) {
        let ask = self.chain.on_reconnected(now);
        self.on_ask(ask);
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        if let Some(ask) = self.chain.on_timeout(now) {
            self.on_ask(ask);
        }
    }

    pub(crate) fn on_answer(
        &mut self,
        now: Instant,
        store: &Store,
        observers: &mut [Observer],
        answer: Answer,
    ) {
        match answer {
            Answer::Top { token, top: Some(top) } => {
                let output = self.chain.on_top(now, token, top);
                self.carry_out(store, observers, &output);
            }
            Answer::Top { token, top: None } => self.chain.on_failed(now, token),
            Answer::Read(page) => {
                let shared = match &page {
                    Some(page) => self.share.on_page(page),
                    None => self.share.on_failed(),
                };
                self.queries.extend(shared.read.map(Query::Read));
                for reader in shared.readers {
                    match (reader, &page) {
                        (Reader::Chain(token), Some(page)) => {
                            let output = self.chain.on_page(now, token, page);
                            self.carry_out(store, observers, &output);
                        }
                        (Reader::Chain(token), None) => self.chain.on_failed(now, token),
                        (Reader::Recovery(recovery), page) => {
                            let found = self.sessions.values_mut().flatten();
                            let mut found = found.filter(|(number, _)| *number == recovery);
                            match (found.next(), page) {
                                (Some((_, catch_up)), Some(page)) => catch_up.on_page(page),
                                (Some((_, catch_up)), None) => catch_up.on_failed(),
                                (None, _) => {}
                            }
                        }
                    }
                }
            }
        }
    }

    /// Lets a session take something, as its queue has room for some bytes.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        store: &Store,
        observer: &mut Observer,
        number: usize,
        budget: usize,
    ) {
        let Some(Some((recovery, catch_up))) = self.sessions.get_mut(&number) else { return };
        let (held, bytes) = catch_up.held();
        let bound = self.bounds.catch_up.held;
        assert!(held <= bound.count && bytes <= bound.bytes);
        let epoch = catch_up.position().epoch;
        let output = catch_up.poll(budget);
        if self.trace && output != CatchUpOutput::Wait {
            eprintln!("         observer {number}: {output:?}");
        }
        match output {
            CatchUpOutput::Wait => {
                if catch_up.is_waiting_for_chain() {
                    self.chain.suspect(now);
                }
            }
            CatchUpOutput::Read(read) => {
                let reader = Reader::Recovery(*recovery);
                self.queries.extend(self.share.ask(reader, read).map(Query::Read));
            }
            CatchUpOutput::Deliver(entries) => {
                assert!(entries.len() <= self.bounds.catch_up.chunk);
                for entry in entries {
                    observer.on_delivered(store, epoch, &entry);
                }
            }
            CatchUpOutput::Gap(gap) => {
                observer.on_gap(store, gap);
            }
            CatchUpOutput::InStep { position, recovered } => {
                assert_eq!(self.chain.position(), Some(position));
                observer.on_in_step(position, recovered);
                self.sessions.insert(number, None);
            }
        }
    }

    fn carry_out(&mut self, store: &Store, observers: &mut [Observer], output: &ChainOutput) {
        if self.trace {
            eprintln!("         chain: {output:?}");
        }
        if let Some(gap) = output.gap {
            self.tell_gap(store, observers, gap);
        }
        let epoch = self.chain.position().map_or(Epoch(0), |position| position.epoch);
        for entry in &output.deliver {
            self.deliver(store, observers, epoch, entry);
        }
        if output.checked {
            let recovering = self.sessions.values_mut().flatten();
            recovering.for_each(|(_, catch_up)| catch_up.on_checked());
        }
        if let Some(ask) = output.ask {
            self.on_ask(ask);
        }
        let (held, bytes) = self.chain.held();
        assert!(held <= self.bounds.chain.held.count && bytes <= self.bounds.chain.held.bytes);
    }

    fn tell_gap(&mut self, store: &Store, observers: &mut [Observer], gap: Gap) {
        for (number, session) in &mut self.sessions {
            match session {
                Some((_, catch_up)) => catch_up.on_gap(gap.position),
                None => observers[*number].on_gap(store, gap),
            }
        }
    }

    fn deliver(&mut self, store: &Store, observers: &mut [Observer], epoch: Epoch, entry: &Entry) {
        for (number, session) in &mut self.sessions {
            match session {
                Some((_, catch_up)) => catch_up.on_live(epoch, entry),
                None => observers[*number].on_delivered(store, epoch, entry),
            }
        }
    }

    fn on_ask(&mut self, ask: Ask) {
        let token = ask.token;
        match ask.question {
            Question::Top => self.queries.push(Query::Top { token }),
            Question::ReplaceEpoch { expected } => {
                self.queries.push(Query::ReplaceEpoch { token, expected });
            }
            Question::Read(read) => self.read(Reader::Chain(token), read),
        }
    }

    fn read(&mut self, reader: Reader, read: Read) {
        self.queries.extend(self.share.ask(reader, read).map(Query::Read));
    }
}
