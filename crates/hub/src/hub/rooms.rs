use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::RoomOptions;
use super::encodings::Encodings;
use super::filters::ForcedFilters;
use super::questions::Questions;
use super::recovery::Recovery;
use crate::core::continuity::{Ask, Chain, ChainConfig, ReadShare};
use crate::core::history::Limit;
use crate::core::topics::{JoinError, Joined, Left, Limits, MemberKey, Topics};
use crate::core::{Position, RoomKey, RoomName};
use crate::random;

/// The size of the pages by which a node heals holes. Chosen: less than a message of the default
/// maximum length.
pub(super) const PAGE: Limit = Limit { count: 256, bytes: 1 << 20 };

/// The bound of the random time that is added to the time after which a silent room is checked, in
/// milliseconds. Chosen: a quarter of that time spreads the checks well enough.
const MAX_JITTER: u64 = 2_500;

/// The rooms of this node: those that have members here, and those that are about to.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(super) topics: Topics,
    pub(super) states: HashMap<RoomName, RoomState>,
    /// The number of recoveries in all rooms.
    pub(super) recoveries: usize,
    /// The number of quiet members in all rooms.
    quiet_members: usize,
    pub(super) questions: Questions,
    pub(super) forced: ForcedFilters,
    /// Rooms that may have become unused, for the task of the bus to unsubscribe from.
    unused: Vec<RoomName>,
    /// The rooms with history, by the time at which to look after their chains.
    checks: BinaryHeap<Reverse<(Instant, RoomName)>>,
    /// Notifies the task of the bus that there are unused rooms, or an earlier check.
    work: Arc<Notify>,
}

/// The state of a room beside its members.
#[derive(Debug)]
pub(super) struct RoomState {
    pub(super) options: Arc<RoomOptions>,
    /// The key of the room while it has members.
    pub(super) key: Option<RoomKey>,
    /// Locked while it changes.
    pub(super) subscription: Arc<tokio::sync::Mutex<Subscription>>,
    /// In rooms with history, from the subscription on.
    pub(super) chain: Option<Chain>,
    /// The time at which the chain is looked after.
    check_at: Option<Instant>,
    /// The members that recover what they missed: they receive nothing directly.
    pub(super) recovering: HashMap<MemberKey, Recovery>,
    /// The members that receive no notices of the presence.
    pub(super) quiet: HashSet<MemberKey>,
    /// The reads of these members.
    pub(super) reads: ReadShare<MemberKey>,
    /// The encodings of the publications that they read.
    pub(super) encodings: Encodings,
    /// The number of joins in progress.
    pins: usize,
}

/// A question of a room's chain to the store.
#[derive(Debug)]
pub(super) struct RoomQuestion {
    pub(super) room: RoomName,
    pub(super) options: Arc<RoomOptions>,
    pub(super) ask: Ask,
}

/// The subscription of this node to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Subscription {
    #[default]
    None,
    /// A request to subscribe failed, or its outcome was not awaited.
    Unknown,
    Active,
}

impl RoomState {
    /// Gives back the memory of what was recovered, after a recovery has ended.
    pub(super) fn clear_encodings(&mut self) {
        if self.recovering.is_empty() {
            self.encodings.clear();
        }
    }
}

impl Rooms {
    pub(super) fn new(limits: Limits, work: Arc<Notify>) -> Self {
        Self {
            topics: Topics::new(limits),
            states: HashMap::new(),
            recoveries: 0,
            quiet_members: 0,
            questions: Questions::default(),
            forced: ForcedFilters::default(),
            unused: Vec::new(),
            checks: BinaryHeap::new(),
            work,
        }
    }

    /// Returns the key of an occupied room.
    pub(crate) fn key(&self, room: &RoomName) -> Option<RoomKey> {
        self.topics.room(room.as_str())
    }

    /// Returns whether a member is in a room.
    pub(crate) fn contains(&self, member: MemberKey, room: &RoomName) -> bool {
        self.key(room).is_some_and(|key| self.topics.contains(member, key))
    }

    pub(super) fn state(&self, room: &RoomName) -> Option<&RoomState> {
        self.states.get(room)
    }

    pub(super) fn state_mut(&mut self, room: &RoomName) -> Option<&mut RoomState> {
        self.states.get_mut(room)
    }

    /// Returns the position of the last publication that the members of a room have received.
    pub(super) fn position(&self, room: &RoomName) -> Option<Position> {
        self.states.get(room)?.chain.as_ref()?.position()
    }

    pub(super) fn chains(&mut self) -> impl Iterator<Item = &mut Chain> {
        self.states.values_mut().filter_map(|state| state.chain.as_mut())
    }

    /// Makes a chain follow a room. Returns the token of the question for the room's top.
    pub(super) fn follow(&mut self, room: &RoomName, now: Instant) -> u64 {
        let jitter = Duration::from_millis(random::bits() % MAX_JITTER);
        let config = ChainConfig { jitter, ..ChainConfig::default() };
        let (chain, ask) = Chain::new(now, config);
        // The tokens of another chain mean other questions.
        if self.questions.cancel(room) {
            self.work.notify_one();
        }
        if let Some(state) = self.states.get_mut(room) {
            state.chain = Some(chain);
        }
        ask.token
    }

    /// Makes all chains check their positions. Returns the number of tasks to start that ask.
    pub(super) fn begin_round(&mut self, now: Instant) -> usize {
        let Self { states, questions, .. } = self;
        let mut starts = 0;
        for (room, state) in states {
            if let Some(chain) = &mut state.chain {
                let ask = chain.on_reconnected(now);
                starts += usize::from(questions.ask_in_round(room, ask));
            }
        }
        starts
    }

    /// Requests a check of all chains from the task of the bus.
    pub(super) fn request_round(&mut self) {
        self.questions.request_round();
        self.work.notify_one();
    }

    /// Takes the next question for a task that asks; `None` ends the task.
    pub(super) fn take_question(&mut self) -> Option<RoomQuestion> {
        while let Some((room, ask)) = self.questions.take() {
            let state = self.states.get(&room).filter(|state| state.chain.is_some());
            if let Some(state) = state {
                return Some(RoomQuestion { options: state.options.clone(), room, ask });
            }
            // The room was unsubscribed from meanwhile.
            self.questions.on_answer(&room);
            self.settle_question(&room);
        }
        None
    }

    /// Plans what follows an answer.
    pub(super) fn settle_question(&mut self, room: &RoomName) {
        if self.questions.settle(room) {
            self.work.notify_one();
        }
        let chain = self.states.get(room).and_then(|state| state.chain.as_ref());
        if let Some(at) = chain.map(Chain::next_timeout) {
            self.check_at(at, room.clone());
        }
    }

    /// Looks after the chain of a room at a time, or earlier.
    pub(super) fn check_at(&mut self, at: Instant, room: RoomName) {
        let Some(state) = self.states.get_mut(&room) else { return };
        if state.check_at.is_some_and(|planned| planned <= at) {
            return;
        }
        state.check_at = Some(at);
        let earliest = self.next_check().is_none_or(|next| at < next);
        self.checks.push(Reverse((at, room)));
        if earliest {
            self.work.notify_one();
        }
    }

    /// Makes the chain of a room check its own position soon.
    pub(super) fn suspect(&mut self, room: &RoomName, now: Instant) {
        let Some(chain) = self.states.get_mut(room).and_then(|state| state.chain.as_mut()) else {
            return;
        };
        chain.suspect(now);
        let at = chain.next_timeout();
        self.check_at(at, room.clone());
    }

    /// Takes a room whose chain is to be looked after.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<RoomName> {
        while self.checks.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((at, room)) = self.checks.pop()?;
            let Some(state) = self.states.get_mut(&room) else { continue };
            // An entry that an earlier one has replaced is skipped.
            if state.check_at == Some(at) {
                state.check_at = None;
                return Some(room);
            }
        }
        None
    }

    /// Returns when the rooms are to be checked next.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let check = self.checks.peek().map(|Reverse((at, _))| *at);
        [check, self.questions.next_round()].into_iter().flatten().min()
    }

    /// Keeps the state of a room, which `options` creates if there is none, until
    /// [`unpin`](Self::unpin).
    pub(super) fn pin(
        &mut self,
        room: &RoomName,
        options: impl FnOnce() -> Arc<RoomOptions>,
    ) -> &mut RoomState {
        let state = self.states.entry(room.clone()).or_insert_with(|| RoomState {
            options: options(),
            key: None,
            subscription: Arc::default(),
            chain: None,
            check_at: None,
            recovering: HashMap::new(),
            quiet: HashSet::new(),
            reads: ReadShare::new(PAGE),
            encodings: Encodings::default(),
            pins: 0,
        });
        state.pins += 1;
        state
    }

    pub(super) fn unpin(&mut self, room: &RoomName) {
        if let Some(state) = self.states.get_mut(room) {
            state.pins -= 1;
            self.note_unused(room);
        }
    }

    /// Returns whether the room has neither members here nor joins in progress.
    pub(super) fn is_unused(&self, room: &RoomName) -> bool {
        self.topics.room(room.as_str()).is_none()
            && self.states.get(room).is_none_or(|state| state.pins == 0)
    }

    /// Removes the state of an unused room.
    pub(super) fn forget(&mut self, room: &RoomName) {
        self.states.remove(room);
    }

    pub(super) fn has_unused(&self) -> bool {
        !self.unused.is_empty()
    }

    /// Takes the rooms that may have become unused.
    pub(super) fn take_unused(&mut self) -> Vec<RoomName> {
        mem::take(&mut self.unused)
    }

    pub(crate) fn rooms_of(&self, member: MemberKey) -> Vec<RoomName> {
        let rooms = self.topics.rooms(member);
        rooms.filter_map(|room| self.topics.name(room)).cloned().collect()
    }

    /// Adds a member to a room whose state is [kept](Self::pin).
    pub(super) fn join(&mut self, member: MemberKey, room: &RoomName) -> Result<Joined, JoinError> {
        let joined = self.topics.join(member, room)?;
        if joined.first_in_room {
            if let Some(state) = self.states.get_mut(room) {
                state.key = Some(joined.room);
            }
        }
        Ok(joined)
    }

    /// Removes a member from a room. Returns whether it was in the room.
    pub(super) fn leave(&mut self, member: MemberKey, room: &RoomName) -> bool {
        self.cancel_recovery(member, room);
        self.unsilence(member, room);
        let Some(key) = self.topics.room(room.as_str()) else { return false };
        self.forced.remove(member, key);
        match self.topics.leave(member, key) {
            Left::NotMember => return false,
            Left::Occupied => {}
            Left::Emptied(_) => self.on_emptied(room),
        }
        true
    }

    /// Removes a member from all its rooms.
    pub(super) fn leave_all(&mut self, member: MemberKey) {
        if self.recoveries > 0 || self.quiet_members > 0 {
            for room in self.rooms_of(member) {
                self.cancel_recovery(member, &room);
                self.unsilence(member, &room);
            }
        }
        if !self.forced.is_empty() {
            for room in self.topics.rooms(member) {
                self.forced.remove(member, room);
            }
        }
        for (_, room) in self.topics.leave_all(member) {
            self.on_emptied(&room);
        }
    }

    fn on_emptied(&mut self, room: &RoomName) {
        if let Some(state) = self.states.get_mut(room) {
            state.key = None;
        }
        self.note_unused(room);
    }

    /// Sends no notices of the presence to a member of a room.
    pub(super) fn silence(&mut self, member: MemberKey, room: &RoomName) {
        let state = self.states.get_mut(room);
        if state.is_some_and(|state| state.quiet.insert(member)) {
            self.quiet_members += 1;
        }
    }

    fn unsilence(&mut self, member: MemberKey, room: &RoomName) {
        let state = self.states.get_mut(room);
        if state.is_some_and(|state| state.quiet.remove(&member)) {
            self.quiet_members -= 1;
        }
    }

    fn cancel_recovery(&mut self, member: MemberKey, room: &RoomName) {
        let Some(state) = self.states.get_mut(room) else { return };
        if let Some(recovery) = state.recovering.remove(&member) {
            self.recoveries -= 1;
            state.reads.remove(|reader| *reader == member);
            state.clear_encodings();
            recovery.input.notify_one();
        }
    }

    fn note_unused(&mut self, room: &RoomName) {
        if self.is_unused(room) {
            self.unused.push(room.clone());
            self.work.notify_one();
        }
    }
}

impl Drop for Rooms {
    /// Wakes the task of the bus, which ends. A bus that others keep has no event for it.
    fn drop(&mut self) {
        self.work.notify_one();
    }
}
