use std::sync::Arc;
use std::time::Instant;

use super::{RoomOptions, Shared};
use crate::bus::Source;
use crate::core::history::{Page, Range};
use crate::core::topics::MemberKey;
use crate::core::{Position, Publication, RoomName, SessionId};
use crate::error::{HubError, Result};

/// Length in bytes below which a message is copied, so that the queues of slow members do not keep
/// the receive buffer of its publisher, which has 64 KiB. A longer message keeps at most four times
/// its length.
const COPIED_BELOW: usize = 16 * 1024;

impl<S: Send + Sync + 'static> Shared<S> {
    /// Publishes to a room. A room with history is published through the bus, which returns the
    /// publication to this node as to all others, in one order. Otherwise, the members of this node
    /// receive the publication at once.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        room: &RoomName,
        publication: Publication,
    ) -> Result<Option<Position>> {
        let is_short = publication.message.len() < COPIED_BELOW;
        let publication = if is_short { publication.detached() } else { publication };
        let publication = Arc::new(publication);
        let options = {
            let rooms = self.rooms();
            let occupied = rooms.occupied(room);
            if let Some((key, state)) = occupied {
                if state.options.retention.is_none() {
                    self.fan_out(&rooms, key, state, room, &publication, None);
                }
            }
            let state = occupied.map(|(_, state)| state).or_else(|| rooms.state(room));
            state.map(|state| state.options.clone())
        };
        // A room without a state has no members here.
        let options = options.map_or_else(|| self.new_options(room), Ok)?;
        let started = Instant::now();
        let published = self.bus.publish(room, publication, options.retention.as_ref()).await;
        self.counters.on_published(started, published.is_ok());
        Ok(published?)
    }
}

impl<S> Shared<S> {
    pub(crate) async fn read_history(
        &self,
        room: &RoomName,
        range: Range,
        source: Source,
    ) -> Result<Page> {
        let options = self.options(room)?;
        let retention =
            options.retention.as_ref().ok_or_else(|| HubError::NoHistory(room.clone()))?;
        Ok(self.bus.read(room, retention, range, source).await?)
    }

    pub(crate) async fn remove_history(&self, room: &RoomName) -> Result<()> {
        if self.options(room)?.retention.is_none() {
            return Err(HubError::NoHistory(room.clone()));
        }
        Ok(self.bus.remove_history(room).await?)
    }

    /// Returns the sessions of this node in a room.
    pub(crate) fn members(&self, room: &RoomName) -> Vec<SessionId> {
        let rooms = self.rooms();
        let Some(key) = rooms.topics.room(room.as_str()) else { return Vec::new() };
        let registry = self.registry();
        let session = |member: &MemberKey| Some(registry.by_slot(member.0)?.id);
        rooms.topics.members(key).iter().filter_map(session).collect()
    }

    /// Returns the properties of a room.
    pub(crate) fn options(&self, room: &RoomName) -> Result<Arc<RoomOptions>> {
        if let Some(state) = self.rooms().state(room) {
            return Ok(state.options.clone());
        }
        self.new_options(room)
    }

    pub(super) fn new_options(&self, room: &RoomName) -> Result<Arc<RoomOptions>> {
        let call = || (self.config.room_options)(room);
        let options = self.panics.contain("the function of the rooms' properties", call);
        options.map(Arc::new).ok_or(HubError::Panicked)
    }
}
