use std::cmp::Reverse;
#[cfg(test)]
mod tests;

use std::collections::BinaryHeap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::RoomOptions;
use super::forced_filters::ForcedFilters;
use super::questions::Questions;
use super::room_states::{QuietMembers, RoomState, RoomStates, Subscription};
use super::shared_options::SharedOptions;
use crate::core::continuity::{Ask, Chain, ChainConfig};
use crate::core::topics::{
    HashedName, JoinError, Joined, Left, Limits, MemberKey, NameMap, Topics,
};
use crate::core::{Position, RoomKey, RoomName};
use crate::random;

/// The bound of the random time that is added to the time after which a silent room is checked, in
/// milliseconds. Chosen: a quarter of that time spreads the checks well enough.
const MAX_JITTER: u64 = 2_500;

/// The rooms of this node: those that have members here, and those that are about to.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(super) topics: Topics,
    pub(super) states: RoomStates,
    /// The rooms that joins in progress keep.
    joining: NameMap<Joining>,
    options: SharedOptions,
    /// The number of recoveries in all rooms.
    pub(super) recoveries: usize,
    pub(super) quiet: QuietMembers,
    pub(super) questions: Questions,
    pub(super) forced: ForcedFilters,
    /// Rooms that may have become unused, for the task of the bus to unsubscribe from.
    unused: Vec<RoomName>,
    /// The rooms with history, by the time at which to look after their chains.
    checks: BinaryHeap<Reverse<(Instant, RoomName)>>,
    /// Notifies the task of the bus that there are unused rooms, or an earlier check.
    work: Arc<Notify>,
}

/// The joins of one room in progress, and the task that unsubscribes from it.
#[derive(Debug, Default)]
struct Joining {
    turn: Turn,
    pins: usize,
}

/// Locked while the subscription to a room changes.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// A question of a room's chain to the store.
#[derive(Debug)]
pub(super) struct RoomQuestion {
    pub(super) room: RoomName,
    pub(super) options: Arc<RoomOptions>,
    pub(super) ask: Ask,
}

impl Rooms {
    pub(super) fn new(limits: Limits, work: Arc<Notify>) -> Self {
        Self {
            topics: Topics::new(limits),
            states: RoomStates::new(),
            joining: NameMap::new(),
            options: SharedOptions::default(),
            recoveries: 0,
            quiet: QuietMembers::default(),
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

    /// Returns a name with its hash, which several searches take.
    pub(super) fn hashed<'a>(&self, room: &'a RoomName) -> HashedName<'a> {
        self.topics.hashed(room)
    }

    pub(super) fn state(&self, room: &RoomName) -> Option<&RoomState> {
        self.find_state(self.hashed(room))
    }

    fn find_state(&self, room: HashedName<'_>) -> Option<&RoomState> {
        self.states.get(self.topics.find(room), room)
    }

    pub(super) fn find_state_mut(&mut self, room: HashedName<'_>) -> Option<&mut RoomState> {
        self.states.get_mut(self.topics.find(room), room)
    }

    /// Returns the key and the state of an occupied room.
    pub(super) fn occupied(&self, room: &RoomName) -> Option<(RoomKey, &RoomState)> {
        let key = self.key(room)?;
        Some((key, self.states.occupied(key)?))
    }

    pub(super) fn state_mut(&mut self, room: &RoomName) -> Option<&mut RoomState> {
        self.find_state_mut(self.hashed(room))
    }

    /// Returns the position of the last publication that the members of a room have received.
    pub(super) fn position(&self, room: &RoomName) -> Option<Position> {
        self.state(room)?.chain()?.position()
    }

    pub(super) fn chains(&mut self) -> impl Iterator<Item = &mut Chain> {
        self.states.iter_mut(&self.topics).filter_map(|(_, state)| state.chain_mut())
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
        if let Some(state) = self.state_mut(room) {
            state.set_chain(Some(chain));
        }
        ask.token
    }

    /// Makes all chains check their positions. Returns the number of tasks to start that ask.
    pub(super) fn begin_round(&mut self, now: Instant) -> usize {
        let Self { topics, states, questions, .. } = self;
        let mut starts = 0;
        for (room, state) in states.iter_mut(topics) {
            if let Some(chain) = state.chain_mut() {
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
            let state = self.state(&room).filter(|state| state.chain().is_some());
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
        let chain = self.state(room).and_then(RoomState::chain);
        if let Some(at) = chain.map(Chain::next_timeout) {
            self.check_at(at, room.clone());
        }
    }

    /// Looks after the chain of a room at a time, or earlier.
    pub(super) fn check_at(&mut self, at: Instant, room: RoomName) {
        let state = self.state_mut(&room);
        let Some(history) = state.and_then(|state| state.history.as_mut()) else { return };
        if history.check_at.is_some_and(|planned| planned <= at) {
            return;
        }
        history.check_at = Some(at);
        let earliest = self.next_check().is_none_or(|next| at < next);
        self.checks.push(Reverse((at, room)));
        if earliest {
            self.work.notify_one();
        }
    }

    /// Makes the chain of a room check its own position soon.
    pub(super) fn suspect(&mut self, room: &RoomName, now: Instant) {
        let Some(chain) = self.state_mut(room).and_then(RoomState::chain_mut) else { return };
        chain.suspect(now);
        let at = chain.next_timeout();
        self.check_at(at, room.clone());
    }

    /// Takes a room whose chain is to be looked after.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<RoomName> {
        while self.checks.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((at, room)) = self.checks.pop()?;
            let state = self.state_mut(&room);
            let Some(history) = state.and_then(|state| state.history.as_mut()) else { continue };
            // An entry that an earlier one has replaced is skipped.
            if history.check_at == Some(at) {
                history.check_at = None;
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

    /// Keeps the state of a room until [`unpin`](Self::unpin); one with `options` is created if
    /// there is none. Returns the room's options and turn.
    pub(super) fn pin(
        &mut self,
        room: HashedName<'_>,
        options: Arc<RoomOptions>,
    ) -> (Arc<RoomOptions>, Turn) {
        if let Some(pinned) = self.pin_known(room) {
            return pinned;
        }
        let options = self.options.share(options);
        self.states.insert(room, RoomState::new(options.clone()));
        (options, self.add_pin(room))
    }

    /// Keeps the state of a room like [`pin`](Self::pin), if there is one.
    pub(super) fn pin_known(&mut self, room: HashedName<'_>) -> Option<(Arc<RoomOptions>, Turn)> {
        let options = self.find_state(room)?.options.clone();
        Some((options, self.add_pin(room)))
    }

    fn add_pin(&mut self, room: HashedName<'_>) -> Turn {
        let joining = self.joining.get_or_default(room);
        joining.pins += 1;
        joining.turn.clone()
    }

    pub(super) fn unpin(&mut self, room: HashedName<'_>) {
        let Some(joining) = self.joining.get_mut(room) else { return };
        joining.pins -= 1;
        if joining.pins == 0 {
            self.joining.remove(room);
            self.note_unused(room);
        }
    }

    /// Ends the subscription to a room that is pinned by the caller only and has no members.
    /// Returns the former subscription, or `None` if the room is in use.
    pub(super) fn end_subscription(&mut self, room: HashedName<'_>) -> Option<Subscription> {
        if !self.is_only_pinned_once(room) {
            return None;
        }
        let state = self.find_state_mut(room)?;
        state.set_chain(None);
        Some(mem::take(&mut state.subscription))
    }

    /// Removes the state of a room that is pinned by the caller only and has no members.
    pub(super) fn forget(&mut self, room: HashedName<'_>) {
        if self.is_only_pinned_once(room) {
            self.states.remove(room);
        }
    }

    fn is_only_pinned_once(&self, room: HashedName<'_>) -> bool {
        self.states.is_vacant(room)
            && self.joining.get(room).is_none_or(|joining| joining.pins == 1)
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

    /// Adds a member to a room whose state is [kept](Self::pin), and whose key is `key` if it is
    /// occupied.
    pub(super) fn join(
        &mut self,
        member: MemberKey,
        room: HashedName<'_>,
        key: Option<RoomKey>,
    ) -> Result<Joined, JoinError> {
        let joined = self.topics.join_found(member, room, key)?;
        if joined.first_in_room {
            self.states.occupy(room, joined.room);
        }
        Ok(joined)
    }

    /// Removes a member from a room. Returns whether it was in the room.
    pub(super) fn leave(&mut self, member: MemberKey, room: &RoomName) -> bool {
        let hashed = self.hashed(room);
        let Some(key) = self.topics.find(hashed) else { return false };
        self.cancel_recovery(member, key);
        self.quiet.remove(member, key);
        self.forced.remove(member, key);
        match self.topics.leave(member, key) {
            Left::NotMember => return false,
            Left::Occupied => {}
            Left::Emptied(_) => self.on_emptied(key, hashed),
        }
        true
    }

    /// Removes a member from all its rooms.
    pub(super) fn leave_all(&mut self, member: MemberKey) {
        if self.recoveries > 0 {
            for room in self.topics.rooms(member).collect::<Vec<_>>() {
                self.cancel_recovery(member, room);
            }
        }
        if !self.forced.is_empty() || !self.quiet.is_empty() {
            for room in self.topics.rooms(member) {
                self.forced.remove(member, room);
                self.quiet.remove(member, room);
            }
        }
        for (key, room) in self.topics.leave_all(member) {
            self.on_emptied(key, self.hashed(&room));
        }
    }

    fn on_emptied(&mut self, key: RoomKey, room: HashedName<'_>) {
        self.states.vacate(room, key);
        self.note_unused(room);
    }

    fn cancel_recovery(&mut self, member: MemberKey, room: RoomKey) {
        let state = self.states.occupied_mut(room);
        let Some(history) = state.and_then(|state| state.history.as_mut()) else { return };
        if let Some(recovery) = history.remove_recovery(member) {
            self.recoveries -= 1;
            history.reads.remove(|reader| *reader == member);
            recovery.input.notify_one();
        }
    }

    /// Notes a room that has neither members here nor joins in progress.
    fn note_unused(&mut self, room: HashedName<'_>) {
        if self.states.is_vacant(room) && !self.joining.contains(room) {
            self.unused.push(room.name().clone());
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
