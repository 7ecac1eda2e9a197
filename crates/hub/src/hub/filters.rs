use std::sync::Arc;

use super::forced_filters::ForcedFilter;
use super::rooms::Rooms;
use crate::core::filter::{Filter, FilterError};
use crate::core::topics::MemberKey;
use crate::core::{RoomKey, RoomName};

impl Rooms {
    /// Returns the filter that the server forces on a member in a room.
    pub(crate) fn forced_filter(&self, member: MemberKey, room: &RoomName) -> Option<Arc<Filter>> {
        let forced = self.forced.get(member, self.key(room)?)?;
        Some(forced.filter.clone())
    }

    /// Replaces a member's own filter in a room. Returns whether the member is in the room.
    pub(crate) fn set_filter(
        &mut self,
        member: MemberKey,
        room: RoomKey,
        own: Option<Arc<Filter>>,
    ) -> Result<bool, FilterError> {
        let forced = self.forced.get(member, room);
        let forced = forced.map(|forced| forced.filter.clone());
        self.set_filters(member, room, forced, own)
    }

    /// Replaces the filter that the server forces on a member in a room. Returns whether the member
    /// is in the room.
    pub(crate) fn force_filter(
        &mut self,
        member: MemberKey,
        room: RoomKey,
        forced: Option<Arc<Filter>>,
    ) -> Result<bool, FilterError> {
        let own = match self.forced.get(member, room) {
            Some(forced) => forced.own.clone(),
            None => self.topics.filter(member, room).cloned(),
        };
        self.set_filters(member, room, forced, own)
    }

    /// Replaces both filters of a member in a room: it receives what both match. Nothing has
    /// changed if they are too large together.
    pub(super) fn set_filters(
        &mut self,
        member: MemberKey,
        room: RoomKey,
        forced: Option<Arc<Filter>>,
        own: Option<Arc<Filter>>,
    ) -> Result<bool, FilterError> {
        let filter = match (&forced, &own) {
            (Some(forced), Some(own)) => {
                let both = Filter::all([Filter::clone(forced), Filter::clone(own)])?;
                Some(Arc::new(both))
            }
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        if !self.topics.set_filter(member, room, filter) {
            return Ok(false);
        }
        match forced {
            Some(filter) => self.forced.insert(member, room, ForcedFilter { filter, own }),
            None => self.forced.remove(member, room),
        }
        Ok(true)
    }
}
