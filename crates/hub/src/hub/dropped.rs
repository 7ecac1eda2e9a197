use sockeye::Prepared;

use super::Shared;
use crate::core::outbox::{DropReason, Dropped};
use crate::encoder::{Missed, MissedReason};
use crate::session::SessionShared;

impl<S> Shared<S> {
    /// Encodes the notice that publications were dropped, if the session's protocol has one.
    pub(crate) fn encode_dropped(
        &self,
        session: &SessionShared<S>,
        dropped: &Dropped,
    ) -> Option<Prepared> {
        let mut rooms = self.rooms();
        if !session.connection.take_handled(dropped.room) {
            return None;
        }
        let room = rooms.topics.name(dropped.room)?.clone();
        let reason = match dropped.reason {
            DropReason::Expired => MissedReason::Expired,
            _ => MissedReason::Slow,
        };
        let missed = Missed { reason, count: Some(dropped.count), position: dropped.up_to };
        self.handle_missed(&mut rooms, session, &room, &missed)
    }
}
