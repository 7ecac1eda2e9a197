use std::sync::Arc;

use sockeye::{Message, Prepared};

use super::Shared;
use super::rooms::Rooms;
use crate::core::outbox::QueuedPublication;
use crate::core::{Position, Publication, RoomName};
use crate::encoder::{Delivery, Encoder};
use crate::session::spawn_pump;

/// A message that is encoded once for each encoder.
pub(super) struct Encoded<F> {
    encode: F,
    /// One, but for hubs that serve several protocols.
    messages: Vec<(Arc<dyn Encoder>, Option<Prepared>)>,
}

impl<F: FnMut(&dyn Encoder) -> Option<Message>> Encoded<F> {
    pub(super) fn new(encode: F) -> Self {
        Self { encode, messages: Vec::new() }
    }

    pub(super) fn for_encoder(&mut self, encoder: &Arc<dyn Encoder>) -> Option<&Prepared> {
        let known = self.messages.iter().position(|(known, _)| Arc::ptr_eq(known, encoder));
        let index = known.unwrap_or_else(|| {
            let message = (self.encode)(&**encoder).map(Prepared::new);
            self.messages.push((encoder.clone(), message));
            self.messages.len() - 1
        });
        self.messages[index].1.as_ref()
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
    /// Delivers a publication to the members of a room, except those that recover.
    pub(super) fn fan_out(
        self: &Arc<Self>,
        rooms: &Rooms,
        name: &RoomName,
        publication: &Publication,
        place: Option<Place>,
    ) {
        let Some(room) = rooms.topics.room(name.as_str()) else { return };
        let Some(state) = rooms.state(name) else { return };
        let position = place.map(|place| place.position);
        // A publication that takes the place of an earlier one overtakes those of other keys: a client
        // that resumed after it would never receive them.
        let told = position.filter(|_| !state.options.policy.is_by_key());
        let delivery = Delivery { room: name, publication, position: told };
        let mut encoded = Encoded::new(|encoder| Some(encoder.publication(&delivery)));
        let key = state.options.key(publication);
        let registry = self.registry();
        let matching = rooms.topics.members_with_filter(room, &publication.tags);
        let matching = matching.filter_map(|(member, matches)| matches.then_some(member));
        let all = rooms.topics.members_without_filter(room).iter().copied().chain(matching);
        for member in all {
            if !state.recovering.is_empty() && state.recovering.contains_key(&member) {
                continue;
            }
            let Some(session) = registry.by_slot(member.0) else { continue };
            let Some(payload) = encoded.for_encoder(session.connection.encoder()) else {
                continue;
            };
            let queued = QueuedPublication {
                room,
                key: key.clone(),
                after: place.map(|place| place.after),
                position,
                size: payload.len(),
                payload: payload.clone(),
            };
            let delivered = session.connection.deliver(queued, state.options.policy);
            spawn_pump(self, session, delivered);
        }
    }
}
