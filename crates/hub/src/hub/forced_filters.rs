use std::collections::HashMap;
use std::sync::Arc;

use crate::core::RoomKey;
use crate::core::filter::Filter;
use crate::core::topics::MemberKey;

/// The filters that the server forces on members, beside the members' own.
#[derive(Debug, Default)]
pub(super) struct ForcedFilters {
    filters: HashMap<(MemberKey, RoomKey), ForcedFilter>,
}

/// A filter that the server forces on a member in a room.
#[derive(Debug)]
pub(super) struct ForcedFilter {
    pub(super) filter: Arc<Filter>,
    /// The member's own filter. Its filter in the topics is both.
    pub(super) own: Option<Arc<Filter>>,
}

impl ForcedFilters {
    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    pub(super) fn get(&self, member: MemberKey, room: RoomKey) -> Option<&ForcedFilter> {
        self.filters.get(&(member, room))
    }

    pub(super) fn insert(&mut self, member: MemberKey, room: RoomKey, forced: ForcedFilter) {
        self.filters.insert((member, room), forced);
    }

    pub(super) fn remove(&mut self, member: MemberKey, room: RoomKey) {
        self.filters.remove(&(member, room));
    }
}
