use std::sync::Arc;
use std::time::Instant;

use sockeye::{Message, Multicast, Prepared};

use super::Shared;
use super::room_states::RoomState;
use super::rooms::Rooms;
use crate::core::outbox::QueuedPublication;
use crate::core::{Position, Publication, RoomKey, RoomName};
use crate::encoder::{Delivery, Encoder, Missed, MissedReason};
use crate::panics::Panics;
use crate::session::{Delivered, OnMissed, SessionShared, spawn_pump};

/// A message to many sessions that is encoded once for each encoder. Dropping it sends it to the
/// sessions that were added to its multicasts.
pub(super) struct Encoded<'a, F> {
    panics: &'a Panics,
    encode: F,
    /// The message of each encoder: one, but for hubs that serve several protocols.
    messages: Vec<(Arc<dyn Encoder>, Encoding)>,
}

/// The result of an encoder.
#[derive(Debug)]
pub(super) enum Encoding {
    Message(Multicast),
    /// The encoder's protocol does not have such a message.
    None,
    Panicked,
}

impl<'a, F: FnMut(&dyn Encoder) -> Option<Message>> Encoded<'a, F> {
    pub(super) fn new(panics: &'a Panics, encode: F) -> Self {
        Self { panics, encode, messages: Vec::new() }
    }

    #[inline]
    pub(super) fn for_encoder(&mut self, encoder: &Arc<dyn Encoder>) -> &mut Encoding {
        let known = self.messages.iter().position(|(known, _)| Arc::ptr_eq(known, encoder));
        let index = known.unwrap_or_else(|| self.encode(encoder));
        &mut self.messages[index].1
    }

    #[cold]
    fn encode(&mut self, encoder: &Arc<dyn Encoder>) -> usize {
        let encoding = match self.panics.contain("an encoder", || (self.encode)(&**encoder)) {
            Some(Some(message)) => Encoding::Message(Multicast::new(Prepared::new(message))),
            Some(None) => Encoding::None,
            None => Encoding::Panicked,
        };
        self.messages.push((encoder.clone(), encoding));
        self.messages.len() - 1
    }
}

/// The place of a publication in the history of its room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The position before the publication.
    pub(super) after: Position,
    /// The position of the publication.
    pub(super) position: Position,
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Delivers a publication to the members of a room, except those that recover. It has reached
    /// the connections when the method returns: what is sent to a session later follows it.
    pub(super) fn fan_out(
        self: &Arc<Self>,
        rooms: &Rooms,
        room: RoomKey,
        state: &RoomState,
        name: &RoomName,
        publication: &Publication,
        place: Option<Place>,
    ) {
        let started = Instant::now();
        let mut deliveries = 0;
        let position = place.map(|place| place.position);
        // A publication that takes the place of an earlier one overtakes those of other keys: a
        // client that resumed after it would never receive them.
        let told = position.filter(|_| !state.options.policy.is_by_key());
        let delivery = Delivery { room: name, publication, position: told };
        let mut encoded =
            Encoded::new(&self.panics, |encoder| Some(encoder.publication(&delivery)));
        let key = state.options.key(publication);
        let registry = self.registry();
        let matching = rooms.topics.members_with_filter(room, &publication.tags);
        let matching = matching.filter_map(|(member, matches)| matches.then_some(member));
        let all = rooms.topics.members_without_filter(room).iter().copied().chain(matching);
        for member in all {
            if state.is_recovering(member) {
                continue;
            }
            let Some(session) = registry.by_slot(member.0) else { continue };
            let multicast = match encoded.for_encoder(session.connection.encoder()) {
                Encoding::Message(multicast) => multicast,
                Encoding::None => continue,
                Encoding::Panicked => {
                    self.notify_panicked(session, name, told);
                    continue;
                }
            };
            let queue = |payload: Prepared| QueuedPublication {
                room,
                key: key.clone(),
                after: place.map(|place| place.after),
                position,
                size: payload.len(),
                payload,
            };
            let delivered = session.connection.deliver(multicast, state.options.policy, queue);
            spawn_pump(self, session, delivered);
            deliveries += u64::from(delivered != Delivered::Closed);
        }
        drop(encoded);
        self.counters.on_fan_out(started, deliveries);
    }

    /// Encodes a notice for one session and sends it.
    pub(super) fn notify(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        encode: impl FnOnce(&dyn Encoder) -> Option<Message>,
    ) {
        if let Some(notice) = self.encode_notice(session, encode) {
            spawn_pump(self, session, session.connection.reply(&notice));
        }
    }

    /// Notifies a session of a publication whose encoding panicked. A session that would leave the
    /// room is closed with 1011, as for a notice that panics.
    pub(super) fn notify_panicked(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
        position: Option<Position>,
    ) {
        let missed = Missed { reason: MissedReason::Panicked, count: Some(1), position };
        match session.on_missed(room, &missed) {
            OnMissed::Continue => self.notify(session, |encoder| encoder.missed(room, &missed)),
            OnMissed::Leave | OnMissed::Close(_) => session.connection.fail(),
        }
    }
}

impl<S> Shared<S> {
    /// Handles publications of a room that a session has missed. Returns the notice to be sent.
    pub(super) fn handle_missed(
        &self,
        rooms: &mut Rooms,
        session: &SessionShared<S>,
        room: &RoomName,
        missed: &Missed,
    ) -> Option<Prepared> {
        let action = session.on_missed(room, missed);
        if let OnMissed::Close(frame) = action {
            self.remove_member(rooms, session, room);
            session.connection.close(frame);
            return None;
        }
        let notice = self.encode_notice(session, |encoder| encoder.missed(room, missed));
        if action == OnMissed::Leave {
            self.remove_member(rooms, session, room);
        }
        notice
    }

    /// Encodes a notice for one session. If its encoder panics, the session misses what it has to
    /// know: its connection is closed with 1011.
    pub(super) fn encode_notice(
        &self,
        session: &SessionShared<S>,
        call: impl FnOnce(&dyn Encoder) -> Option<Message>,
    ) -> Option<Prepared> {
        let connection = &session.connection;
        let Some(notice) = self.panics.contain("an encoder", || call(&**connection.encoder()))
        else {
            connection.fail();
            return None;
        };
        notice.map(Prepared::new)
    }
}
