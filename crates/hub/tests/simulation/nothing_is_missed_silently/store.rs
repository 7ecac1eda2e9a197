use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sockeye_hub::core::history::{
    Appended, Direction, Entry, Log, Page, Previous, Range, Retention,
};
use sockeye_hub::core::{Epoch, Position, Publication, PublicationId, Tag};

/// A store of either kind.
#[derive(Clone, Debug)]
pub(crate) enum History {
    /// Offsets of the room, tags of predecessors, a top that outlives the entries: Redis' kind.
    Log(Box<Log>),
    /// Offsets shared by all rooms, predecessors told with live publications only and without
    /// tags, no top beside the last entry, which is kept: NATS' kind.
    Sequence(Sequence),
}

#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    epoch: Epoch,
    /// The newest offset of the whole store.
    newest: u64,
    entries: VecDeque<(Instant, Entry)>,
    retention: Retention,
}

impl History {
    pub(crate) fn new(now: Instant, shared: bool, epoch: Epoch, retention: Retention) -> Self {
        if shared {
            let entries = VecDeque::new();
            Self::Sequence(Sequence { epoch, newest: 0, entries, retention })
        } else {
            Self::Log(Box::new(Log::new(now, epoch, retention)))
        }
    }

    pub(crate) fn top(&mut self, now: Instant) -> Position {
        match self {
            Self::Log(log) => log.top(),
            Self::Sequence(sequence) => sequence.top(now),
        }
    }

    pub(crate) fn read(&mut self, now: Instant, range: Range) -> Page {
        match self {
            Self::Log(log) => log.read(now, range),
            Self::Sequence(sequence) => sequence.read(now, range),
        }
    }

    fn append(&mut self, now: Instant, publication: Arc<Publication>, tag: Tag) -> Appended {
        match self {
            Self::Log(log) => log.append(now, publication, tag),
            Self::Sequence(sequence) => sequence.append(now, publication, tag),
        }
    }
}

impl Sequence {
    /// Keeps one entry more than promised, and always the last one.
    fn trim(&mut self, now: Instant) {
        while let Some((at, _)) = self.entries.front().filter(|_| self.entries.len() > 1) {
            let expired = now.saturating_duration_since(*at) >= self.retention.age;
            if !expired && self.entries.len() <= self.retention.count.saturating_add(1) {
                break;
            }
            self.entries.pop_front();
        }
    }

    fn top(&mut self, now: Instant) -> Position {
        self.trim(now);
        let last = self.entries.back();
        last.map_or(Position::start(self.epoch), |(_, entry)| entry.position(self.epoch))
    }

    fn append(&mut self, now: Instant, publication: Arc<Publication>, tag: Tag) -> Appended {
        self.trim(now);
        self.newest += 1;
        let previous = self.entries.back().map_or(
            Previous { offset: 0, tag: Some(Tag::NONE) },
            |(_, entry)| Previous { offset: entry.offset, tag: None },
        );
        let previous = Some(previous);
        let entry = Entry { offset: self.newest, tag, previous, publication };
        self.entries.push_back((now, entry.clone()));
        self.trim(now);
        Appended { position: entry.position(self.epoch), entry: Some(entry) }
    }

    fn read(&mut self, now: Instant, range: Range) -> Page {
        assert_eq!(range.direction, Direction::Forwards);
        let top = self.top(now);
        let start = range.start.unwrap_or(0);
        let (mut entries, mut bytes, mut remaining) = (Vec::new(), 0, 0);
        for (_, entry) in self.entries.iter().filter(|(_, entry)| entry.offset >= start) {
            let size = entry.publication.size();
            if remaining > 0 || !range.limit.takes(entries.len(), bytes, size) {
                remaining += 1;
                continue;
            }
            bytes += size;
            // The first one is known as such while nothing was trimmed.
            let first = entry.previous.filter(|previous| previous.tag.is_some());
            entries.push(Entry { previous: first, ..entry.clone() });
        }
        Page { range, top, entries, remaining }
    }
}

/// The store with its faults, and the truth about what it ever stored.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) leader: History,
    /// A replica that lags.
    pub(crate) replica: History,
    /// The state that survives a restart.
    snapshot: (History, HashMap<PublicationId, Position>),
    positions: HashMap<PublicationId, Position>,
    shared: bool,
    retention: Retention,
    /// The predecessor of every publication, by tags; that of the first is its history's root.
    predecessors: HashMap<Tag, Tag>,
    roots: HashMap<Epoch, Tag>,
    last: Tag,
    snapshot_last: Tag,
    numbers: u64,
}

impl Store {
    pub(crate) fn new(now: Instant, shared: bool, retention: Retention) -> Self {
        let history = History::new(now, shared, Epoch(1), retention);
        let root = Tag(1 << 60);
        Self {
            leader: history.clone(),
            replica: history.clone(),
            snapshot: (history, HashMap::new()),
            positions: HashMap::new(),
            shared,
            retention,
            predecessors: HashMap::new(),
            roots: HashMap::from([(Epoch(1), root)]),
            last: root,
            snapshot_last: root,
            numbers: 1,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Stores a publication and returns it, unless it was stored before.
    pub(crate) fn publish(&mut self, now: Instant, publication: Publication) -> Option<Entry> {
        let id = publication.id.clone();
        let tag = Tag(self.number());
        let known = id.as_ref().and_then(|id| self.positions.get(id)).copied();
        let appended = self.leader.append(now, Arc::new(publication), tag);
        if let (Some(known), false) = (known, self.shared) {
            assert_eq!(appended.entry, None, "the same id is stored once");
            assert_eq!(
                (appended.position.offset, appended.position.tag),
                (known.offset, known.tag)
            );
            return None;
        }
        if let Some(id) = id {
            self.positions.insert(id, appended.position);
        }
        assert!(appended.entry.is_some(), "a new id is stored");
        self.predecessors.insert(tag, self.last);
        self.last = tag;
        appended.entry
    }

    /// Publishes to another room of the store.
    pub(crate) fn publish_elsewhere(&mut self) {
        if let History::Sequence(sequence) = &mut self.leader {
            sequence.newest += 1;
        }
    }

    pub(crate) fn replace_epoch(&mut self, now: Instant, expected: Epoch) -> Position {
        let epoch = Epoch(self.number());
        if let History::Log(log) = &mut self.leader {
            if log.replace_epoch(expected, epoch).epoch == epoch {
                self.roots.insert(epoch, self.roots[&expected]);
            }
        }
        self.leader.top(now)
    }

    pub(crate) fn take_snapshot(&mut self) {
        self.snapshot = (self.leader.clone(), self.positions.clone());
        self.snapshot_last = self.last;
    }

    pub(crate) fn refresh_replica(&mut self) {
        self.replica = self.leader.clone();
    }

    /// Goes back to the last snapshot.
    pub(crate) fn roll_back(&mut self) {
        (self.leader, self.positions) = self.snapshot.clone();
        self.last = self.snapshot_last;
        self.refresh_replica();
    }

    /// Loses everything.
    pub(crate) fn lose(&mut self, now: Instant) {
        let epoch = Epoch(self.number());
        self.leader = History::new(now, self.shared, epoch, self.retention);
        self.positions.clear();
        self.last = Tag((1 << 60) + epoch.0);
        self.roots.insert(epoch, self.last);
        self.take_snapshot();
        self.refresh_replica();
    }

    pub(crate) fn remove(&mut self) {
        match &mut self.leader {
            History::Log(log) => log.remove(),
            History::Sequence(sequence) => {
                let last = sequence.entries.pop_back();
                sequence.entries = last.into_iter().collect();
            }
        }
    }

    /// The publication that a reader at a position has seen last.
    pub(crate) fn last_seen_at(&self, position: &Position) -> Tag {
        if position.offset == 0 {
            return self.roots[&position.epoch];
        }
        position.tag
    }

    pub(crate) fn predecessor(&self, tag: Tag) -> Tag {
        self.predecessors[&tag]
    }
}
