use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::id_window::IdWindow;
use super::{Direction, Entry, Gap, GapReason, Limit, Page, Previous, Range, Retention};
use crate::core::capacity::is_wasteful;
use crate::core::{Epoch, Position, Publication, Tag};

/// The history of one room: its last publications, and the position of the newest one, which
/// outlives them.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
///
/// use sockeye_hub::core::history::{Log, Recovery, Retention};
/// use sockeye_hub::core::{Epoch, Publication, Tag};
///
/// let now = Instant::now();
/// let mut log = Log::new(now, Epoch(0x5eed), Retention::default());
/// let first = log.append(now, Arc::new(Publication::new("first")), Tag(0xc0de)).position;
/// log.append(now, Arc::new(Publication::new("second")), Tag(0xcafe));
///
/// let Recovery::Complete { publications, position } = log.recover(now, &first, 100) else {
///     panic!("both are retained");
/// };
/// assert_eq!(publications.len(), 1);
/// assert_eq!(position, log.top());
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    epoch: Epoch,
    top: u64,
    top_tag: Tag,
    /// Consecutive offsets that end with `top`, or none.
    entries: VecDeque<(Instant, Entry)>,
    bytes: usize,
    /// The number of tags of all entries.
    tags: usize,
    ids: IdWindow,
    retention: Retention,
    last_used: Instant,
}

/// The result of [`Log::append`].
#[derive(Clone, Debug, PartialEq)]
pub struct Appended {
    /// The position of the publication.
    pub position: Position,
    /// The publication as it was stored, to be sent to subscribers; `None` if it was stored
    /// before, under the same id.
    pub entry: Option<Entry>,
}

/// The result of [`Log::recover`].
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// Nothing was missed but these.
    Complete {
        /// All publications after the position, oldest first.
        publications: Vec<Entry>,
        /// The position after the last of them.
        position: Position,
    },
    /// Continuity cannot be proven.
    Gap(Gap),
}

impl Log {
    /// The time for which the owner of a log keeps it after its last use, so that returning readers
    /// are told whether they missed anything. Afterwards the room gets a new log with a new epoch.
    pub const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

    /// Creates an empty history. `epoch` is a random value.
    pub fn new(now: Instant, epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            top: 0,
            top_tag: Tag::NONE,
            entries: VecDeque::new(),
            bytes: 0,
            tags: 0,
            ids: IdWindow::default(),
            retention,
            last_used: now,
        }
    }

    /// Appends a publication. `tag` is a random value.
    ///
    /// A publication whose id was appended within the last 5 minutes is not stored again, and gets
    /// the position of the first one, whatever its message is. The log remembers the last 4,096 ids
    /// of at most 256 KiB together; a publisher that repeats an older one publishes it twice.
    pub fn append(&mut self, now: Instant, publication: Arc<Publication>, tag: Tag) -> Appended {
        self.trim(now);
        self.last_used = now;
        let known = publication.id.as_ref().and_then(|id| self.ids.find(id));
        if let Some((offset, tag)) = known {
            let position = Position { epoch: self.epoch, offset, tag };
            return Appended { position, entry: None };
        }
        let previous = Some(Previous { offset: self.top, tag: Some(self.top_tag) });
        self.top += 1;
        self.top_tag = tag;
        if let Some(id) = &publication.id {
            self.ids.insert(now, id.clone(), self.top, tag);
        }
        self.bytes += publication.size();
        self.tags += publication.tags.len();
        let entry = Entry { offset: self.top, tag, previous, publication };
        self.entries.push_back((now, entry.clone()));
        self.trim(now);
        Appended { position: self.top(), entry: Some(entry) }
    }

    /// Returns the position after the newest publication.
    pub const fn top(&self) -> Position {
        Position { epoch: self.epoch, offset: self.top, tag: self.top_tag }
    }

    /// Reads a page, in constant time plus the time for its entries.
    pub fn read(&mut self, now: Instant, range: Range) -> Page {
        self.trim(now);
        self.last_used = now;
        let (entries, remaining) = match range.direction {
            Direction::Forwards => {
                let start = self.index(range.start.unwrap_or(0));
                take(self.entries.range(start..), range.limit)
            }
            Direction::Backwards => {
                let start = range.start.map_or(u64::MAX, |start| start.saturating_add(1));
                take(self.entries.range(..self.index(start)).rev(), range.limit)
            }
        };
        Page { range, top: self.top(), entries, remaining }
    }

    /// Returns everything after a position, or a gap: never a part. `limit` is the number of missed
    /// publications beyond which the answer is a gap.
    pub fn recover(&mut self, now: Instant, from: &Position, limit: usize) -> Recovery {
        let page = self.read(now, Range::forwards(Limit::NONE).at(from.offset));
        match page.after(from) {
            Ok(missed) if missed.len() <= limit => {
                Recovery::Complete { publications: missed.to_vec(), position: self.top() }
            }
            Ok(_) => Recovery::Gap(Gap { position: self.top(), reason: GapReason::Limit }),
            Err(reason) => Recovery::Gap(Gap { position: self.top(), reason }),
        }
    }

    /// Removes all entries. Offsets go on, so that readers who missed removed publications are told
    /// a gap.
    pub fn remove(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
        self.tags = 0;
    }

    /// Removes all entries and forgets all ids, to give memory back.
    pub(crate) fn clear(&mut self) {
        self.remove();
        self.ids = IdWindow::default();
    }

    /// Returns whether [`clear`](Self::clear) would change nothing.
    pub(crate) fn is_cleared(&self) -> bool {
        self.entries.is_empty() && self.ids.is_empty()
    }

    /// Replaces the epoch if it is still `expected`, and returns the top. A node that sees a store
    /// rolled back does this, so that readers who do not present tags are told a gap as well.
    /// `epoch` is a random value. Entries and offsets stay.
    pub fn replace_epoch(&mut self, expected: Epoch, epoch: Epoch) -> Position {
        if self.epoch == expected {
            self.epoch = epoch;
        }
        self.top()
    }

    /// Replaces the bounds, and removes what exceeds them.
    pub fn set_retention(&mut self, now: Instant, retention: Retention) {
        self.retention = retention;
        self.trim(now);
    }

    /// Removes the entries and ids that exceed the bounds. Every other method that is given the
    /// time does this first: calling it at [`next_expiry`](Self::next_expiry) releases memory
    /// earlier.
    pub fn trim(&mut self, now: Instant) {
        while let Some((appended, entry)) = self.entries.front() {
            let expired = now.saturating_duration_since(*appended) >= self.retention.age;
            let fits =
                self.entries.len() <= self.retention.count && self.bytes <= self.retention.bytes;
            if !expired && fits {
                break;
            }
            self.bytes -= entry.publication.size();
            self.tags -= entry.publication.tags.len();
            self.entries.pop_front();
        }
        if is_wasteful(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        self.ids.trim(now);
    }

    /// Returns when the next entry or id expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        let entry = self.entries.front();
        let entry = entry.and_then(|(appended, _)| appended.checked_add(self.retention.age));
        [entry, self.ids.expires()].into_iter().flatten().min()
    }

    /// Returns when the log was last appended to or read.
    pub const fn last_used(&self) -> Instant {
        self.last_used
    }

    /// Returns the number of retained entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no entry is retained.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the sum of the sizes of the retained publications, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the memory of the entries and ids, in bytes: an estimate, in constant time.
    pub(crate) fn memory_size(&self) -> usize {
        let places = self.entries.capacity() * size_of::<(Instant, Entry)>();
        let publications = self.entries.len() * PUBLICATION_SIZE + self.tags * TAG_SIZE;
        places + publications + self.bytes + self.ids.memory_size()
    }

    /// Returns the index of the first entry with at least this offset.
    fn index(&self, offset: u64) -> usize {
        let Some((_, first)) = self.entries.front() else { return 0 };
        let index = offset.saturating_sub(first.offset);
        usize::try_from(index).map_or(self.entries.len(), |index| index.min(self.entries.len()))
    }
}

/// The memory of a publication beside its contents, in bytes: its fields, the counters of its
/// references, and the overhead of two allocations.
const PUBLICATION_SIZE: usize = size_of::<Publication>() + 80;

/// The memory of a tag beside its contents, in bytes: two pointers, and two allocations.
const TAG_SIZE: usize = size_of::<(Box<str>, Box<str>)>() + 32;

/// Returns the entries of one page, and the number of those left.
fn take<'a>(
    entries: impl ExactSizeIterator<Item = &'a (Instant, Entry)>,
    limit: Limit,
) -> (Vec<Entry>, u64) {
    let mut page = Vec::new();
    let mut bytes = 0_usize;
    let mut remaining = entries.len();
    for (_, entry) in entries {
        let size = entry.publication.size();
        if !limit.takes(page.len(), bytes, size) {
            break;
        }
        bytes = bytes.saturating_add(size);
        remaining -= 1;
        page.push(entry.clone());
    }
    (page, remaining as u64)
}
