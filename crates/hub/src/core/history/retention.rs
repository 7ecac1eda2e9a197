use std::time::Duration;

/// The bounds of a room's history. The oldest entries are removed while any bound is exceeded.
///
/// ```
/// use sockeye_hub::core::history::Retention;
///
/// let retention = Retention { count: 100, ..Retention::default() };
/// assert_eq!(retention.bytes, 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The maximum number of entries. Default: 1,000. 0 retains nothing: positions are still
    /// handed out, and recover only readers who missed nothing.
    pub count: usize,
    /// The age at which an entry is removed. Default: 10 minutes, five times the two minutes for
    /// which Ably keeps what a disconnected client misses.
    pub age: Duration,
    /// The maximum sum of [`Publication::size`](crate::core::Publication::size) over all entries,
    /// in bytes. Default: 1 MiB. A single larger publication is delivered but not retained.
    pub bytes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { count: 1_000, age: Duration::from_secs(600), bytes: 1 << 20 }
    }
}
