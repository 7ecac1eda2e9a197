use std::collections::{BTreeMap, HashSet};

use sockeye_hub::core::history::{Entry, Gap};
use sockeye_hub::core::{Epoch, Position, Tag};

use super::store::Store;

/// A client: what it was given, checked against what the store ever stored.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// The position that it presents when it returns.
    pub(crate) position: Option<Position>,
    /// The publication that it saw last, or that the last gap or join took it to.
    last_seen: Option<Tag>,
    seen: HashSet<Tag>,
    pub(crate) summary: Summary,
    gap_in_recovery: bool,
}

/// The events of one run or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) delivered: u64,
    pub(crate) recovered: u64,
    pub(crate) not_recovered: u64,
    pub(crate) gaps: BTreeMap<&'static str, u64>,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.recovered += other.recovered;
        self.not_recovered += other.not_recovered;
        for (reason, count) in &other.gaps {
            *self.gaps.entry(reason).or_default() += count;
        }
    }
}

impl Observer {
    /// Joins without a position.
    pub(crate) fn on_joined(&mut self, store: &Store, position: Position) {
        self.continue_from(store, position);
    }

    /// Presents its position.
    pub(crate) fn on_returned(&mut self) -> Option<Position> {
        self.gap_in_recovery = false;
        self.position
    }

    pub(crate) fn on_delivered(&mut self, store: &Store, epoch: Epoch, entry: &Entry) {
        let position = self.position.expect("an observer has a position before any message");
        assert!(self.seen.insert(entry.tag), "{entry:?} is repeated");
        assert_eq!(
            Some(store.predecessor(entry.tag)),
            self.last_seen,
            "{entry:?} is delivered next, but it is not the next one in the store"
        );
        assert_eq!(position.epoch, epoch, "the epoch changed without a gap");
        assert!(entry.offset > position.offset, "{entry:?} is out of order");
        self.position = Some(entry.position(epoch));
        self.last_seen = Some(entry.tag);
        self.summary.delivered += 1;
    }

    pub(crate) fn on_gap(&mut self, store: &Store, gap: Gap) {
        self.continue_from(store, gap.position);
        self.gap_in_recovery = true;
        *self.summary.gaps.entry(gap.reason.as_str()).or_default() += 1;
    }

    pub(crate) fn on_in_step(&mut self, position: Position, recovered: bool) {
        assert_eq!(self.position, Some(position));
        assert_eq!(recovered, !self.gap_in_recovery);
        let count = &mut self.summary;
        *(if recovered { &mut count.recovered } else { &mut count.not_recovered }) += 1;
    }

    /// Checks that nothing is outstanding.
    pub(crate) fn check_is_at(&self, store: &Store, top: Position) {
        let position = self.position.expect("the observer joined");
        assert_eq!(position.epoch, top.epoch, "{position:?} is of another epoch than {top:?}");
        assert_eq!(self.last_seen, Some(store.last_seen_at(&top)), "at {position:?} of {top:?}");
    }

    fn continue_from(&mut self, store: &Store, position: Position) {
        self.position = Some(position);
        self.last_seen = Some(store.last_seen_at(&position));
    }
}
