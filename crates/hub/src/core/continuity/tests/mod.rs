mod catch_up;
mod chain;
mod read_share;

use std::sync::Arc;
use std::time::Instant;

use crate::core::history::{Appended, Entry, Limit, Log, Range, Retention};
use crate::core::{Epoch, Position, Publication, Tag};

const EPOCH: Epoch = Epoch(7);

/// A store whose publications at the offsets 1, 2, … have the tags 101, 102, ….
struct Store {
    log: Log,
    now: Instant,
    tags: u64,
}

impl Store {
    fn new(retained: usize) -> Self {
        let now = Instant::now();
        let retention = Retention { count: retained, ..Retention::default() };
        Self { log: Log::new(now, EPOCH, retention), now, tags: 100 }
    }

    fn publish(&mut self) -> Entry {
        self.tags += 1;
        let publication = Arc::new(Publication::new("1234567890"));
        let Appended { entry, .. } = self.log.append(self.now, publication, Tag(self.tags));
        entry.expect("it has no id")
    }

    fn publish_many(&mut self, count: usize) -> Vec<Entry> {
        (0..count).map(|_| self.publish()).collect()
    }

    fn page(&mut self, start: u64, count: usize) -> Arc<crate::core::history::Page> {
        let limit = Limit { count, bytes: usize::MAX };
        Arc::new(self.log.read(self.now, Range::forwards(limit).at(start)))
    }
}

fn position(offset: u64) -> Position {
    let tag = if offset == 0 { Tag::NONE } else { Tag(100 + offset) };
    Position { epoch: EPOCH, offset, tag }
}

fn offsets(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.offset).collect()
}
