use super::{Direction, Entry, GapReason, Previous, Range};
use crate::core::{Position, Tag};

/// A part of a room's history as a store answered it. Top and entries are of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The range that was read.
    pub range: Range,
    /// The position after the newest publication. It outlives the entries, and moves with the
    /// room's publications only: a store that would forget it keeps each room's last entry.
    pub top: Position,
    /// The retained entries in the direction of the range, without holes, beginning with the first
    /// retained one in the range.
    pub entries: Vec<Entry>,
    /// The number of retained entries that follow in the direction of the range.
    pub remaining: u64,
}

impl Page {
    /// Returns the range that continues this one; `None` at the end.
    pub fn next_range(&self) -> Option<Range> {
        let last = self.entries.last().filter(|_| self.remaining > 0)?;
        match self.range.direction {
            Direction::Forwards => Some(self.range.at(last.offset.saturating_add(1))),
            Direction::Backwards => last.offset.checked_sub(1).map(|start| self.range.at(start)),
        }
    }

    /// Returns whether the page decides about `position`, by [`after`](Self::after).
    pub fn covers(&self, position: &Position) -> bool {
        let within = |page_start: u64| {
            let last = self.entries.last().filter(|_| self.remaining > 0);
            position.offset >= page_start && last.is_none_or(|last| position.offset <= last.offset)
        };
        self.range.direction == Direction::Forwards
            && (position.epoch != self.top.epoch
                || position.offset >= self.top.offset
                || within(self.range.start.unwrap_or(0)))
    }

    /// Returns the entries of the page after `position`, if the position is proven: then they are
    /// all publications after it, up to the end of the page.
    ///
    /// # Errors
    /// The reason why continuity cannot be proven. Of a page that does not
    /// [cover](Self::covers) the position: [`GapReason::Trimmed`].
    pub fn after(&self, position: &Position) -> Result<&[Entry], GapReason> {
        if !self.covers(position) {
            return Err(GapReason::Trimmed);
        }
        if position.epoch != self.top.epoch {
            return Err(GapReason::Epoch);
        }
        let next = self.entries.partition_point(|entry| entry.offset <= position.offset);
        let (until, after) = self.entries.split_at(next);
        let at = until.last().filter(|entry| entry.offset == position.offset);
        self.prove(position, at, after.first())?;
        if is_linked(position, after) { Ok(after) } else { Err(GapReason::Trimmed) }
    }

    /// Decides by the rules of [the module](super).
    fn prove(
        &self,
        position: &Position,
        at: Option<&Entry>,
        next: Option<&Entry>,
    ) -> Result<(), GapReason> {
        let same = |tag: Tag| if tag == position.tag { Ok(()) } else { Err(GapReason::RolledBack) };
        if position.offset > self.top.offset {
            return Err(GapReason::RolledBack);
        }
        // (a)
        if position.offset == self.top.offset {
            return same(self.top.tag);
        }
        // (b)
        if let Some(at) = at {
            return same(at.tag);
        }
        // (c) and (d)
        match next.and_then(|next| next.previous) {
            Some(Previous { offset, tag: Some(tag) }) if offset == position.offset => same(tag),
            _ => Err(GapReason::Trimmed),
        }
    }

    /// Returns whether the page has an entry with this offset and tag.
    pub(crate) fn contains(&self, entry: &Entry) -> bool {
        self.entries
            .binary_search_by_key(&entry.offset, |entry| entry.offset)
            .is_ok_and(|index| self.entries[index].tag == entry.tag)
    }
}

/// Returns whether each entry names the one before it as its predecessor, as far as predecessors
/// are known. A store that lost entries from the middle of its history is found by this.
fn is_linked(position: &Position, entries: &[Entry]) -> bool {
    let mut last = (position.offset, position.tag);
    entries.iter().all(|entry| {
        let linked = entry.offset > last.0
            && entry.previous.is_none_or(|previous| {
                previous.offset == last.0 && previous.tag.is_none_or(|tag| tag == last.1)
            });
        last = (entry.offset, entry.tag);
        linked
    })
}
