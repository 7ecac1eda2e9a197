use std::time::Duration;

/// The treatment of a room's publications for a connection that reads more slowly than the room
/// publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryPolicy {
    /// The publisher waits. Only for publishers that may be held up by one slow reader.
    Wait,
    /// Drops new publications until there is space.
    DropNewest,
    /// Drops the oldest publications to make space.
    #[default]
    DropOldest,
    /// Keeps only the newest publication of each key, in the place of the one that it supersedes;
    /// when full, drops the oldest.
    LatestByKey,
    /// Closes the connection with 1013 when full.
    Disconnect,
    /// For rooms with history: when full, drops what waits for the room, and reads it from the
    /// history once everything else was written. Publications without a position are treated as
    /// under [`DropOldest`](Self::DropOldest).
    CatchUp,
    /// Like [`LatestByKey`](Self::LatestByKey), and lets at most one publication of each key leave
    /// in an interval. The first one leaves at once.
    Conflate {
        /// The interval.
        interval: Duration,
    },
}

impl DeliveryPolicy {
    /// Returns whether a publication supersedes a waiting one with the same key.
    pub(crate) fn is_by_key(self) -> bool {
        matches!(self, Self::LatestByKey | Self::Conflate { .. })
    }
}
