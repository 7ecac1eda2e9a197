use super::pattern;
use crate::core::RoomName;

/// The rooms to list: see [`Hub::list_rooms`](crate::Hub::list_rooms).
///
/// ```
/// use sockeye_hub::RoomQuery;
///
/// let query = RoomQuery::new().pattern("chat:*").limit(50);
/// # let _ = query;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomQuery {
    pub(super) pattern: Option<Box<str>>,
    pub(super) after: Option<RoomName>,
    pub(super) limit: usize,
}

impl RoomQuery {
    /// The maximum of [`limit`](Self::limit): an answer with as many of the longest names is half
    /// of the largest message that NATS takes by default.
    pub const MAX_LIMIT: usize = 2_000;

    /// Lists the first 1,000 rooms.
    pub fn new() -> Self {
        Self { pattern: None, after: None, limit: 1_000 }
    }

    /// Lists only rooms whose whole name matches: `*` stands for any number of characters, `?` for
    /// one. Default: all rooms. Patterns are for the server: one from a client must be refused.
    pub fn pattern(self, pattern: &str) -> Self {
        Self { pattern: Some(pattern.into()), ..self }
    }

    /// Lists only rooms after this one: the next page of [`RoomList::next`](crate::RoomList::next).
    pub fn after(self, room: RoomName) -> Self {
        Self { after: Some(room), ..self }
    }

    /// Sets the maximum number of rooms: 1 to [`MAX_LIMIT`](Self::MAX_LIMIT), which other numbers
    /// count as. Default: 1,000.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), ..self }
    }

    pub(super) fn matches(&self, room: &RoomName) -> bool {
        self.after.as_ref().is_none_or(|after| room > after)
            && self.pattern.as_ref().is_none_or(|pattern| pattern::matches(pattern, room.as_str()))
    }
}

impl Default for RoomQuery {
    fn default() -> Self {
        Self::new()
    }
}
