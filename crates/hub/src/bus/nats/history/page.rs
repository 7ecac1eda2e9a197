use std::collections::VecDeque;
use std::sync::Arc;

use super::super::record::Record;
use super::super::stream_api::StoredMessage;
use super::super::subjects::Class;
use crate::bus::codec;
use crate::core::history::{Direction, Entry, Limit, Page, Previous, Range};
use crate::core::{Position, Publication, Tag};

/// A record of the stream with its place.
pub(super) struct Item {
    sequence: u64,
    time: u64,
    /// The number of records after it, if the server told it.
    following: Option<u64>,
    /// The position of a reader who has seen it.
    place: (u64, Tag),
    publication: Option<Arc<Publication>>,
    /// `true` if its size is counted.
    counted: bool,
}

impl Item {
    pub(super) fn new(subject: &str, message: StoredMessage) -> Self {
        let StoredMessage { sequence, time, payload, following } = message;
        let (place, publication) = match Record::decode(payload) {
            Some(Record::Publication { tag, publication }) => {
                ((sequence, tag), Some(Arc::new(publication)))
            }
            Some(marker) => (marker.place(sequence), None),
            // Of another program, or a newer version. It is told as a gap once a publication
            // follows.
            None => {
                codec::log_undecodable(subject, sequence);
                ((sequence, Tag(time)), None)
            }
        };
        Self { sequence, time, following, place, publication, counted: false }
    }

    fn size(&self) -> usize {
        self.publication.as_ref().map_or(0, |publication| publication.size())
    }
}

/// The records that were read for a page, in the order of the stream.
///
/// The stream has more than a reader is shown: one publication more than promised, and those that
/// are too old. They prove the positions of readers, and are told as the predecessors of others.
pub(super) struct Items {
    range: Range,
    records: VecDeque<Item>,
    /// The number of records that the stream has after the last one of `records`.
    pub(super) following: u64,
    /// The number of records before the first one of `records` that were read and forgotten.
    forgotten: u64,
    /// The leading records among them that are no publications, or too old.
    forgotten_hidden: u64,
    /// The place of the last one of them.
    before: Option<(u64, Tag)>,
    max_count: u64,
    /// The time before which records are too old.
    oldest: u64,
    count: usize,
    bytes: usize,
    is_full: bool,
}

impl Items {
    pub(super) fn new(range: Range, class: &Class, now: u64) -> Self {
        let age = u64::try_from(class.age.as_nanos()).unwrap_or(u64::MAX);
        Self {
            range,
            records: VecDeque::new(),
            following: 0,
            forgotten: 0,
            forgotten_hidden: 0,
            before: None,
            max_count: class.count as u64,
            oldest: now.saturating_sub(age),
            count: 0,
            bytes: 0,
            is_full: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether the page has no place for the record that follows, or was ended.
    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns whether the page may end before it is full: it leads its reader on.
    pub(super) fn can_end(&self) -> bool {
        self.range.direction == Direction::Forwards && self.count > Limit::MIN_PAGE
    }

    /// Ends the page before it is full. `following` is the number of records after the last one.
    pub(super) const fn end(&mut self, following: u64) {
        self.following = following;
        self.is_full = true;
    }

    /// Adds the next record. Returns `false` if a page forwards has no place for it.
    pub(super) fn push(&mut self, mut item: Item) -> bool {
        let is_shown = item.publication.is_some() && item.time >= self.oldest && {
            // Of a server that does not tell what follows, one publication too many may be counted.
            item.following.is_none_or(|following| following < self.max_count)
        };
        if is_shown {
            let size = item.size();
            if self.range.direction == Direction::Forwards
                && !self.range.limit.takes(self.count, self.bytes, size)
            {
                self.is_full = true;
                return false;
            }
            item.counted = true;
            self.count += 1;
            self.bytes = self.bytes.saturating_add(size);
        }
        self.records.push_back(item);
        if self.range.direction == Direction::Backwards {
            self.forget();
        }
        true
    }

    /// Forgets the oldest records that cannot be part of a page backwards.
    fn forget(&mut self) {
        let limit = self.range.limit;
        while let Some(first) = self.records.front() {
            let counted = if first.counted { first.size() } else { 0 };
            let (count, bytes) = (self.records.len() - 1, self.bytes.saturating_sub(counted));
            if count == 0 || limit.takes(count, bytes, first.size()) {
                return;
            }
            let hidden = first.publication.is_none() || first.time < self.oldest;
            if hidden && self.forgotten_hidden == self.forgotten {
                self.forgotten_hidden += 1;
            }
            self.forgotten += 1;
            self.bytes = bytes;
            self.before = Some(first.place);
            self.records.pop_front();
        }
    }

    /// Removes the records before a sequence, which have holes.
    pub(super) fn remove_before(&mut self, sequence: u64) {
        while self.records.front().is_some_and(|item| item.sequence < sequence) {
            self.records.pop_front();
            self.before = None;
            self.forgotten = 0;
            self.forgotten_hidden = 0;
        }
    }

    pub(super) fn page(self, top: Position) -> Page {
        let Self { range, records, following, forgotten, forgotten_hidden, oldest, .. } = self;
        let total = forgotten + records.len() as u64 + following;
        let hidden = total.saturating_sub(self.max_count);
        let mut before = self.before;
        let mut entries = Vec::with_capacity(records.len());
        for (index, item) in records.into_iter().enumerate() {
            let previous = before.map(|(offset, tag)| Previous { offset, tag: Some(tag) });
            before = Some(item.place);
            let Some(publication) = item.publication else { continue };
            if item.time < oldest || forgotten + (index as u64) < hidden {
                continue;
            }
            let (offset, tag) = item.place;
            entries.push(Entry { offset, tag, previous, publication });
        }
        if range.direction == Direction::Forwards {
            return Page { range, top, entries, remaining: following };
        }
        entries.reverse();
        let (mut count, mut bytes) = (0, 0_usize);
        for entry in &entries {
            let size = entry.publication.size();
            if !range.limit.takes(count, bytes, size) {
                break;
            }
            count += 1;
            bytes = bytes.saturating_add(size);
        }
        let older = (entries.len() - count) as u64;
        entries.truncate(count);
        let remaining = older + forgotten.saturating_sub(hidden.max(forgotten_hidden));
        Page { range, top, entries, remaining }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::Epoch;

    fn item(sequence: u64) -> Item {
        let publication = Some(Arc::new(Publication::new(sequence.to_string())));
        let place = (sequence, Tag(sequence));
        Item { sequence, time: 10, following: None, place, publication, counted: false }
    }

    fn items(range: Range) -> Items {
        Items::new(range, &Class { count: 100, age: Duration::MAX }, 10)
    }

    fn top(offset: u64) -> Position {
        Position { epoch: Epoch(1), offset, tag: Tag(offset) }
    }

    #[test]
    fn a_page_that_ends_early_leads_its_reader_on() {
        let range = Range::forwards(Limit::NONE);
        let mut items = items(range);
        for sequence in 1..=5 {
            // A page of fewer entries would not be worth a request.
            assert_eq!(items.can_end(), sequence > 3, "{sequence}");
            assert!(items.push(item(sequence)));
        }
        items.end(7);
        assert!(items.is_full());
        let page = items.page(top(12));
        assert_eq!((page.entries.len(), page.remaining), (5, 7));
        assert_eq!(page.next_range(), Some(range.at(6)));
    }

    #[test]
    fn a_page_backwards_does_not_end_early() {
        let mut items = items(Range::backwards(Limit::NONE));
        for sequence in 1..=5 {
            items.push(item(sequence));
        }
        // Its last records, which are read last, are its first entries.
        assert!(!items.can_end());
    }
}
