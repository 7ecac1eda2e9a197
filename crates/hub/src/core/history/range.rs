/// A part of a room's history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The offset to begin at, inclusive; `None` begins at the oldest entry forwards, and at the
    /// newest entry backwards.
    pub start: Option<u64>,
    /// The direction to read in.
    pub direction: Direction,
    /// The maximum size of one page.
    pub limit: Limit,
}

/// The direction in which a history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From old to new.
    Forwards,
    /// From new to old.
    Backwards,
}

impl Range {
    /// Reads from the oldest entry to the newest.
    pub const fn forwards(limit: Limit) -> Self {
        Self { start: None, direction: Direction::Forwards, limit }
    }

    /// Reads from the newest entry to the oldest.
    pub const fn backwards(limit: Limit) -> Self {
        Self { start: None, direction: Direction::Backwards, limit }
    }

    /// Begins at an offset. To prove a position, a page begins at the position's own offset, so
    /// that it holds the entry whose tag proves it.
    pub const fn at(self, offset: u64) -> Self {
        Self { start: Some(offset), ..self }
    }
}

/// The maximum size of a page or of a queue of held publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The maximum number of entries.
    pub count: usize,
    /// The maximum sum of [`Publication::size`](crate::core::Publication::size), in bytes.
    pub bytes: usize,
}

impl Limit {
    /// The number of entries that a page has at least, as far as there are any, whatever its
    /// limit: the one that proves a position and one more, so that every page makes progress.
    pub const MIN_PAGE: usize = 2;

    /// No limit.
    pub const NONE: Self = Self { count: usize::MAX, bytes: usize::MAX };

    /// Returns whether a page of `count` entries and `bytes` can take one more entry of `size`.
    pub const fn takes(&self, count: usize, bytes: usize, size: usize) -> bool {
        count < Self::MIN_PAGE || self.holds(count, bytes, size)
    }

    /// Returns whether one more entry of `size` stays within the limit, without exception.
    pub(crate) const fn holds(&self, count: usize, bytes: usize, size: usize) -> bool {
        count < self.count && bytes.saturating_add(size) <= self.bytes
    }
}
