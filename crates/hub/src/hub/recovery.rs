use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye::Prepared;
use tokio::sync::{Notify, oneshot};

use super::recovering::Recovery;
use super::room_states::RoomHistory;
use super::rooms::Rooms;
use super::{JoinReply, Shared};
use crate::bus::Source;
use crate::core::continuity::{CatchUp, CatchUpOutput, Chain, SharedRead};
use crate::core::history::Entry;
use crate::core::outbox::QueuedPublication;
use crate::core::{Position, RoomKey, RoomName};
use crate::encoder::Delivery;
use crate::join::{Joined, Recovered};
use crate::session::{Delivered, SessionShared, spawn_pump};

/// The delay before a failed read is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The state of a recovery after a step.
enum Progress {
    /// The recovery waits for input.
    Waits,
    /// The recovery waits for the session's outbox, or for input.
    NoCapacity,
    /// The recovery has ended, or the session has left the room.
    Ended,
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Begins the recovery of a member. The outcome is sent to `outcome` when it is known, and the
    /// client is notified first; without an `outcome`, the session has joined before.
    pub(super) fn begin_recovery(
        self: &Arc<Self>,
        rooms: &mut Rooms,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
        from: Position,
        reply: Option<JoinReply>,
        outcome: Option<oneshot::Sender<Joined>>,
    ) {
        let state = rooms.state_mut(room);
        let Some(history) = state.and_then(|state| state.history.as_mut()) else { return };
        let Some(live) = history.chain.as_ref().and_then(Chain::position) else { return };
        let catch_up = CatchUp::new(from, live, self.config.catch_up);
        let input = Arc::new(Notify::new());
        let recovery = Recovery {
            catch_up,
            input: input.clone(),
            joined: outcome.is_none(),
            notices: Vec::new(),
            notice_bytes: 0,
            reply,
            outcome,
        };
        if let Some(replaced) = history.recovering.insert(session.member(), recovery) {
            // A page that the replaced recovery asked for is not this one's.
            history.reads.remove(|reader| *reader == session.member());
            replaced.input.notify_one();
        } else {
            rooms.recoveries += 1;
        }
        self.runtime.spawn(recover(self.clone(), session.clone(), room.clone(), input));
    }

    /// Reads what a session missed because its outbox was full.
    pub(crate) fn resume(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        key: RoomKey,
        after: Position,
    ) {
        let mut rooms = self.rooms();
        if session.is_over() || !session.connection.take_handled(key) {
            return;
        }
        let Some(room) = rooms.topics.name(key).cloned() else { return };
        if !rooms.topics.contains(session.member(), key) {
            return;
        }
        // What was queued since is read as well.
        session.connection.remove_room(key);
        self.begin_recovery(&mut rooms, session, &room, after, None, None);
    }

    /// Carries out the next steps of a recovery. `input` identifies it: a later one of the same
    /// session and room replaces it.
    fn advance_recovery(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
        input: &Arc<Notify>,
    ) -> Progress {
        let mut rooms = self.rooms();
        let rooms = &mut *rooms;
        let member = session.member();
        loop {
            let state = rooms.state_mut(room);
            let Some(recovery) = state.and_then(|state| state.recovery_mut(member)) else {
                return Progress::Ended;
            };
            if !Arc::ptr_eq(&recovery.input, input) {
                return Progress::Ended;
            }
            let budget = session.connection.budget(self.config.catch_up.chunk);
            let after = recovery.catch_up.position();
            let output = recovery.catch_up.poll(budget);
            let outcome = match &output {
                CatchUpOutput::Deliver(_) | CatchUpOutput::InStep { .. } => {
                    Some((after, Recovered::All))
                }
                CatchUpOutput::Gap(gap) => Some((gap.position, Recovered::Gap(gap.reason))),
                CatchUpOutput::Wait | CatchUpOutput::Read(_) => None,
            };
            let joins = !recovery.joined;
            if let (Some((position, recovered)), false) = (outcome, recovery.joined) {
                recovery.joined = true;
                let reply = recovery.reply.take();
                let notices = mem::take(&mut recovery.notices);
                let sender = recovery.outcome.take();
                let refused = reply.as_ref().is_some_and(JoinReply::refuses_gap)
                    && matches!(recovered, Recovered::Gap(_));
                // A reply contains the first publications.
                let first = match &output {
                    CatchUpOutput::Deliver(entries) if reply.is_some() => Some(&entries[..]),
                    _ => None,
                };
                let last = first.and_then(<[Entry]>::last);
                let position = last.map_or(position, |last| last.position(position.epoch));
                let joined =
                    Joined { position: Some(position), recovery: recovered, already: false };
                match recovered {
                    Recovered::All => self.counters.on_recovered(),
                    Recovered::Gap(reason) => self.counters.on_gap(reason),
                    Recovered::NotAsked => {}
                }
                let first_after = first.map(|first| (after, first));
                let contained = first_after.is_some();
                self.notify_joined(rooms, session, room, joined, reply, first_after);
                if refused {
                    self.remove_member(rooms, session, room);
                }
                for notice in notices.iter().filter(|_| !refused) {
                    spawn_pump(self, session, session.connection.reply(notice));
                }
                if let Some(sender) = sender {
                    // The caller may have gone.
                    let _ = sender.send(joined);
                }
                if contained {
                    continue;
                }
                if refused {
                    return Progress::Ended;
                }
            }
            let state = rooms.state_mut(room);
            let Some(history) = state.and_then(|state| state.history.as_mut()) else {
                return Progress::Ended;
            };
            match output {
                CatchUpOutput::Wait => {
                    let recovery = history.recovering.get(&member);
                    if recovery.is_some_and(|recovery| recovery.catch_up.is_waiting_for_chain()) {
                        rooms.suspect(room, Instant::now());
                    }
                    return if budget == 0 { Progress::NoCapacity } else { Progress::Waits };
                }
                CatchUpOutput::Read(read) => {
                    if let Some(read) = history.reads.ask(member, read) {
                        self.runtime.spawn(read_shared(self.clone(), room.clone(), read));
                    }
                }
                CatchUpOutput::Deliver(entries) => {
                    self.deliver_recovered(rooms, session, room, after, &entries);
                }
                CatchUpOutput::Gap(gap) => {
                    if joins {
                        continue;
                    }
                    self.counters.on_gap(gap.reason);
                    if let Some(notice) = self.handle_missed(rooms, session, room, &gap.into()) {
                        spawn_pump(self, session, session.connection.reply(&notice));
                    }
                }
                CatchUpOutput::InStep { .. } => {
                    history.remove_recovery(member);
                    rooms.recoveries -= 1;
                    return Progress::Ended;
                }
            }
        }
    }

    fn deliver_recovered(
        self: &Arc<Self>,
        rooms: &mut Rooms,
        session: &Arc<SessionShared<S>>,
        name: &RoomName,
        mut after: Position,
        entries: &[Entry],
    ) {
        let Rooms { topics, states, .. } = rooms;
        let Some(room) = topics.room(name.as_str()) else { return };
        let Some(state) = states.occupied_mut(room) else { return };
        let Some(history) = &mut state.history else { return };
        let filter = topics.filter(session.member(), room);
        for entry in entries {
            let position = entry.position(after.epoch);
            let publication = &*entry.publication;
            if filter.is_none_or(|filter| filter.matches(&publication.tags)) {
                let delivery = Delivery { room: name, publication, position: Some(position) };
                let encoder = session.connection.encoder();
                let encode = || {
                    let message =
                        self.panics.contain("an encoder", || encoder.publication(&delivery));
                    message.map(Prepared::new)
                };
                let message = history.encodings.get_or_encode(position, encoder, encode);
                let Some(payload) = message else {
                    self.notify_panicked(session, name, Some(position));
                    after = position;
                    continue;
                };
                let queued = QueuedPublication {
                    room,
                    key: state.options.key(publication),
                    after: Some(after),
                    position: Some(position),
                    size: payload.len(),
                    payload,
                };
                let delivered = session.connection.deliver_recovered(queued);
                spawn_pump(self, session, delivered);
                if delivered != Delivered::Closed {
                    self.counters.on_delivered();
                }
            }
            after = position;
        }
    }
}

/// Advances a recovery until it has ended.
async fn recover<S: Send + Sync + 'static>(
    hub: Arc<Shared<S>>,
    session: Arc<SessionShared<S>>,
    room: RoomName,
    input: Arc<Notify>,
) {
    loop {
        match hub.advance_recovery(&session, &room, &input) {
            Progress::Waits => input.notified().await,
            Progress::NoCapacity => {
                let chunk = hub.config.catch_up.chunk;
                let connection = &session.connection;
                tokio::select! {
                    () = connection.wait_for(|| connection.budget(chunk) > 0) => {}
                    () = input.notified() => {}
                }
                if connection.is_closing() {
                    // The session leaves its rooms when it ends.
                    return;
                }
            }
            Progress::Ended => return,
        }
    }
}

/// Carries out the reads of the sessions that recover in a room.
async fn read_shared<S: Send + Sync + 'static>(
    hub: Arc<Shared<S>>,
    room: RoomName,
    first: SharedRead,
) {
    let mut next = Some(first);
    while let Some(read) = next {
        let options = hub.rooms().state(&room).map(|state| state.options.clone());
        let Some(options) = options else { return };
        // Only rooms with history have recoveries.
        let retention = &options.retention.unwrap_or_default();
        let source = if read.leader { Source::Leader } else { Source::Any };
        let permit = hub.bus_permits.acquire().await;
        let page = hub.bus.read(&room, retention, read.range, source).await;
        drop(permit);
        if page.is_err() {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        let mut rooms = hub.rooms();
        let state = rooms.state_mut(&room);
        let Some(history) = state.and_then(|state| state.history.as_mut()) else { return };
        let RoomHistory { reads, recovering, .. } = &mut **history;
        let page = page.map(Arc::new).ok();
        let shared = match &page {
            Some(page) => reads.on_page(page),
            None => reads.on_failed(),
        };
        for reader in shared.readers {
            let Some(recovery) = recovering.get_mut(&reader) else { continue };
            match &page {
                Some(page) => recovery.catch_up.on_page(page),
                None => recovery.catch_up.on_failed(),
            }
            recovery.input.notify_one();
        }
        next = shared.read;
    }
}
