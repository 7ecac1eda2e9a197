use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use super::fan_out::Place;
use super::room_states::PAGE;
use super::room_states::RoomState;
use super::rooms::{RoomQuestion, Rooms};
use crate::bus::{BusError, Source};
use crate::core::continuity::{Ask, ChainOutput, Question, Received};
use crate::core::history::{Entry, Gap, Page};
use crate::core::{Epoch, Position, RoomName};
use crate::session::spawn_pump;

/// An answer of the store.
enum Answer {
    Top(Position),
    Page(Page),
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Handles a publication of a room with history.
    pub(super) fn on_stored(self: &Arc<Self>, room: &RoomName, epoch: Epoch, entry: Entry) {
        let mut rooms = self.rooms();
        let Some(chain) = rooms.state_mut(room).and_then(RoomState::chain_mut) else { return };
        let after = chain.position();
        match chain.on_publication(Instant::now(), epoch, entry) {
            Received::Deliver(entry) => self.deliver(&mut rooms, room, after, &entry, epoch),
            Received::Repeated | Received::Held => {}
            Received::Ask(ask) => self.ask(&mut rooms, room, ask),
        }
    }

    /// Stops delivery in all rooms with history, as the link of the bus broke.
    pub(super) fn on_disconnected(&self) {
        let mut rooms = self.rooms();
        for chain in rooms.chains() {
            chain.on_disconnected();
        }
        rooms.questions.cancel_all();
    }

    /// Checks all rooms, as the link of the bus was restored.
    pub(super) fn on_reconnected(self: &Arc<Self>) {
        self.begin_round(&mut self.rooms(), Instant::now());
    }

    /// Checks all rooms soon, as events were lost: events that are lost in the meantime make no
    /// further round.
    pub(super) fn on_lost(&self) {
        self.rooms().request_round();
    }

    /// Checks the rooms that were silent for long, and repeats unanswered questions. Returns when
    /// to call it again.
    pub(super) fn check_rooms(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let mut rooms = self.rooms();
        if rooms.questions.take_round(now) {
            self.begin_round(&mut rooms, now);
        }
        while let Some(room) = rooms.take_due(now) {
            // The answer plans the next check. A question that waits long is not to be repeated:
            // its answer would be one to an earlier question.
            if rooms.questions.is_busy(&room) {
                continue;
            }
            let Some(chain) = rooms.state_mut(&room).and_then(RoomState::chain_mut) else {
                continue;
            };
            let ask = chain.on_timeout(now);
            let at = chain.next_timeout();
            if let Some(ask) = ask {
                self.ask(&mut rooms, &room, ask);
            }
            rooms.check_at(at, room);
        }
        rooms.next_check()
    }

    fn begin_round(self: &Arc<Self>, rooms: &mut Rooms, now: Instant) {
        for _ in 0..rooms.begin_round(now) {
            self.runtime.spawn(ask_store(self.clone()));
        }
    }

    /// Asks the store on behalf of a room's chain.
    fn ask(self: &Arc<Self>, rooms: &mut Rooms, room: &RoomName, ask: Ask) {
        if rooms.questions.ask(room, ask) {
            self.runtime.spawn(ask_store(self.clone()));
        }
    }

    async fn answer(&self, question: &RoomQuestion) -> Result<Answer, BusError> {
        let room = &question.room;
        // Only rooms with history have a chain.
        let retention = &question.options.retention.unwrap_or_default();
        match question.ask.question {
            Question::Top => self.bus.top(room, retention).await.map(Answer::Top),
            Question::Read(read) => {
                let source = if read.leader { Source::Leader } else { Source::Any };
                let page = self.bus.read(room, retention, read.range(PAGE), source).await;
                page.map(Answer::Page)
            }
            Question::ReplaceEpoch { expected } => {
                self.bus.replace_epoch(room, retention, expected).await.map(Answer::Top)
            }
        }
    }

    fn on_answer(self: &Arc<Self>, room: &RoomName, token: u64, answer: Result<Answer, BusError>) {
        let mut rooms = self.rooms();
        if rooms.questions.on_answer(room) {
            self.handle_answer(&mut rooms, room, token, answer);
        }
        rooms.settle_question(room);
    }

    fn handle_answer(
        self: &Arc<Self>,
        rooms: &mut Rooms,
        room: &RoomName,
        token: u64,
        answer: Result<Answer, BusError>,
    ) {
        let now = Instant::now();
        let Some(chain) = rooms.state_mut(room).and_then(RoomState::chain_mut) else { return };
        let after = chain.position();
        let output = match answer {
            Ok(Answer::Top(top)) => chain.on_top(now, token, top),
            Ok(Answer::Page(page)) => {
                let output = chain.on_page(now, token, &page);
                if !output.deliver.is_empty() {
                    self.counters.on_healed();
                }
                output
            }
            Err(_) => {
                chain.on_failed(now, token);
                ChainOutput::default()
            }
        };
        self.carry_out_chain(rooms, room, after, output);
    }

    /// Carries out what a chain has decided. `after` is its position before.
    pub(super) fn carry_out_chain(
        self: &Arc<Self>,
        rooms: &mut Rooms,
        room: &RoomName,
        mut after: Option<Position>,
        output: ChainOutput,
    ) {
        if let Some(gap) = output.gap {
            self.notify_gap(rooms, room, gap);
            after = Some(gap.position);
        }
        // All that is delivered is of the epoch that the chain is in.
        let epoch = rooms.position(room).map(|position| position.epoch);
        for entry in output.deliver {
            let Some(epoch) = epoch else { break };
            self.deliver(rooms, room, after, &entry, epoch);
            after = Some(entry.position(epoch));
        }
        if output.checked {
            let state = rooms.state_mut(room);
            for recovery in state.into_iter().flat_map(RoomState::recoveries_mut) {
                recovery.catch_up.on_checked();
                recovery.input.notify_one();
            }
        }
        if let Some(ask) = output.ask {
            self.ask(rooms, room, ask);
        }
    }

    fn deliver(
        self: &Arc<Self>,
        rooms: &mut Rooms,
        room: &RoomName,
        after: Option<Position>,
        entry: &Entry,
        epoch: Epoch,
    ) {
        let position = entry.position(epoch);
        let place = Place { after: after.unwrap_or(position), position };
        if let Some((key, state)) = rooms.occupied(room) {
            self.fan_out(rooms, key, state, room, &entry.publication, Some(place));
        }
        let Some(state) = rooms.state_mut(room) else { return };
        for recovery in state.recoveries_mut() {
            recovery.catch_up.on_live(epoch, entry);
            recovery.input.notify_one();
        }
    }

    /// Tells all members of a room on this node that publications are missing.
    fn notify_gap(self: &Arc<Self>, rooms: &mut Rooms, room: &RoomName, gap: Gap) {
        let Some(key) = rooms.topics.room(room.as_str()) else { return };
        let Some(state) = rooms.states.occupied_mut(key) else { return };
        for recovery in state.recoveries_mut() {
            recovery.catch_up.on_gap(gap.position);
            recovery.input.notify_one();
        }
        let members = rooms.topics.members(key).iter();
        let members = members.filter(|member| !state.is_recovering(**member)).copied();
        // A member may leave the room because of the gap.
        for member in members.collect::<Vec<_>>() {
            let Some(session) = self.registry().by_slot(member.0).cloned() else { continue };
            self.counters.on_gap(gap.reason);
            if let Some(notice) = self.handle_missed(rooms, &session, room, &gap.into()) {
                spawn_pump(self, &session, session.connection.reply(&notice));
            }
        }
    }
}

/// Asks the store the questions of the rooms, until none waits.
async fn ask_store<S: Send + Sync + 'static>(hub: Arc<Shared<S>>) {
    loop {
        // The question is taken afterwards, so that it is the room's latest.
        let permit = hub.bus_permits.acquire().await;
        let Some(question) = hub.rooms().take_question() else { return };
        let answer = hub.answer(&question).await;
        drop(permit);
        hub.on_answer(&question.room, question.ask.token, answer);
    }
}
