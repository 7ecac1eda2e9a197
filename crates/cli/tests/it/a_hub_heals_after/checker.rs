//! The checker of a case: compares the observations of every client with the log of the room.
//!
//! - No publication is repeated or reordered for an observer within an epoch.
//! - Between two deliveries the chain is whole, or the observer was told of a gap or of drops, with
//!   the right count. So a recovery without a gap continues exactly where the observer was.
//! - All observers have the publications of the log, in the log's order, up to its top.
//! - An acknowledged publication is in the log, at its position; one that the store has lost is
//!   not: a client that returns from there is told of a gap.
//! - An id has one position.

use std::collections::{HashMap, HashSet};

use sockeye_hub::core::{Epoch, Position};
use sockeye_hub::{Missed, MissedReason, Recovered};

/// An observation of a client in a room with history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Observation {
    /// The client is in the room. `from` is the position that the program asked to recover from,
    /// which the client continues from later.
    Joined {
        from: Option<Position>,
        position: Position,
        recovery: Recovered,
    },
    Delivered(Stored),
    Missed(Missed),
}

/// A publication with an id in a history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) position: Position,
}

/// The observations of a client, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observations {
    pub(crate) observer: String,
    pub(crate) all: Vec<Observation>,
}

/// A case after its end.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) observers: Vec<Observations>,
    pub(crate) acknowledged: Vec<Stored>,
    /// All publications of the history, from the first on.
    pub(crate) log: Vec<Stored>,
    pub(crate) top: Position,
    /// The outcomes of clients that returned from positions at the end.
    pub(crate) returned: Vec<(Position, Recovered)>,
    /// `true` if the fault makes the store lose publications.
    pub(crate) loses: bool,
    /// `true` if publications may be dropped for slow observers.
    pub(crate) drops: bool,
}

/// The numbers of a case that has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) delivered: usize,
    /// Notices of a gap.
    pub(crate) gaps: usize,
    /// Publications that were dropped for slow observers, and counted.
    pub(crate) dropped: u64,
    /// Acknowledged publications that the store has lost.
    pub(crate) lost: usize,
}

impl Recording {
    /// Returns the figures, or all violations.
    pub(crate) fn check(&self) -> Result<Figures, Vec<String>> {
        let mut check =
            Check { recording: self, figures: Figures::default(), violations: Vec::new() };
        check.log();
        for observations in &self.observers {
            check.observer(observations);
        }
        check.agreement();
        check.acknowledged();
        check.returned();
        if check.violations.is_empty() { Ok(check.figures) } else { Err(check.violations) }
    }
}

struct Check<'a> {
    recording: &'a Recording,
    figures: Figures,
    violations: Vec<String>,
}

impl Check<'_> {
    fn violation(&mut self, text: String) {
        // One fault may cause thousands.
        if self.violations.len() < 20 {
            self.violations.push(text);
        }
    }

    /// Checks that the log has no hole and no id twice, and ends at the top.
    fn log(&mut self) {
        let mut ids = HashSet::new();
        for stored in &self.recording.log {
            if !ids.insert(&stored.id) {
                self.violation(format!("the log has {} twice", stored.id));
            }
        }
        for pair in self.recording.log.windows(2) {
            if !follows(pair[0].position, pair[1].position) {
                self.violation(format!("the log has {:?} after {:?}", pair[1], pair[0]));
            }
        }
        let last = self.recording.log.last();
        if last.is_some_and(|last| last.position != self.recording.top) {
            self.violation(format!("the log ends with {last:?}, not at {}", self.recording.top));
        }
    }

    fn observer(&mut self, observations: &Observations) {
        let name = &observations.observer;
        let mut cursor: Option<Position> = None;
        let mut seen: HashSet<(Epoch, &str)> = HashSet::new();
        for observation in &observations.all {
            match observation {
                Observation::Joined { from, position, recovery } => match recovery {
                    Recovered::NotAsked if cursor.is_some() => {
                        self.violation(format!("{name} returned without its position"));
                    }
                    Recovered::NotAsked => cursor = Some(*position),
                    Recovered::All => cursor = cursor.or(*from),
                    Recovered::Gap(_) => {
                        self.gap(name, observation);
                        cursor = Some(*position);
                        seen.clear();
                    }
                },
                Observation::Missed(missed) => {
                    self.missed(name, cursor, missed);
                    cursor = missed.position.or(cursor);
                    if matches!(missed.reason, MissedReason::Gap(_)) {
                        seen.clear();
                    }
                }
                Observation::Delivered(stored) => {
                    self.figures.delivered += 1;
                    if !cursor.is_some_and(|cursor| follows(cursor, stored.position)) {
                        let at = cursor.map(|cursor| cursor.to_string());
                        self.violation(format!("{name} was at {at:?} and received {stored:?}"));
                    }
                    if !seen.insert((stored.position.epoch, &stored.id)) {
                        self.violation(format!("{name} received {} twice", stored.id));
                    }
                    cursor = Some(stored.position);
                }
            }
        }
        if cursor != Some(self.recording.top) {
            let at = cursor.map(|cursor| cursor.to_string());
            self.violation(format!("{name} ended at {at:?}, not at {}", self.recording.top));
        }
    }

    /// Checks that a gap has a cause.
    fn gap(&mut self, name: &str, observation: &Observation) {
        self.figures.gaps += 1;
        if !self.recording.loses {
            self.violation(format!(
                "{name} was told of a gap, and nothing was lost: {observation:?}"
            ));
        }
    }

    fn missed(&mut self, name: &str, cursor: Option<Position>, missed: &Missed) {
        if matches!(missed.reason, MissedReason::Gap(_)) {
            return self.gap(name, &Observation::Missed(*missed));
        }
        if !self.recording.drops {
            self.violation(format!("{name} was too slow for a slow stream: {missed:?}"));
        }
        let (Some(at), Some(to)) = (cursor, missed.position) else {
            return self.violation(format!("{name} was told of drops without a position"));
        };
        let count = to.offset.checked_sub(at.offset).filter(|_| to.epoch == at.epoch);
        if count != missed.count {
            self.violation(format!("{name} was at {at} and told of {missed:?}"));
        }
        self.figures.dropped += missed.count.unwrap_or(0);
    }

    /// Checks that everybody has the same publication at a position. Without a loss, an id has one
    /// position; offset and epoch alone are a position then.
    fn agreement(&mut self) {
        let recording = self.recording;
        let delivered = recording.observers.iter().flat_map(|observer| &observer.all);
        let delivered = delivered.filter_map(|observation| match observation {
            Observation::Delivered(stored) => Some(stored),
            _ => None,
        });
        let mut by_position = HashMap::new();
        let mut by_id = HashMap::new();
        for stored in recording.log.iter().chain(&recording.acknowledged).chain(delivered) {
            let Position { epoch, offset, tag } = stored.position;
            let tag_of_key = if recording.loses { Some(tag) } else { None };
            let other = by_position.entry((epoch, offset, tag_of_key)).or_insert(stored);
            if (&other.id, other.position) != (&stored.id, stored.position) {
                self.violation(format!("{other:?} and {stored:?} have one position"));
            }
            let other = by_id.entry(&*stored.id).or_insert(stored);
            if !recording.loses && other.position != stored.position {
                self.violation(format!("{other:?} and {stored:?} have one id"));
            }
        }
    }

    /// Checks that acknowledged publications are in the log, unless the store may lose them.
    fn acknowledged(&mut self) {
        let recording = self.recording;
        for stored in &recording.acknowledged {
            if recording.is_in_log(stored) {
                continue;
            }
            self.figures.lost += 1;
            if !recording.loses {
                self.violation(format!("{stored:?} was acknowledged and is not in the log"));
            }
        }
        if recording.loses && self.figures.lost == 0 {
            self.violation("the fault was to lose publications, and lost none".into());
        }
    }

    /// Checks that only those recover whose position is in the log, and that it was tried with a
    /// position that was lost.
    fn returned(&mut self) {
        let recording = self.recording;
        let is_known = |position: &Position| {
            let mut known = recording.log.iter().map(|stored| stored.position);
            position.offset == 0 && position.epoch == recording.top.epoch
                || known.any(|known| known == *position)
        };
        let mut failed_closed = 0;
        for (position, recovered) in &recording.returned {
            match (is_known(position), recovered) {
                (true, Recovered::All) => {}
                (false, Recovered::Gap(_)) => failed_closed += 1,
                _ => self.violation(format!("a client returned from {position}: {recovered:?}")),
            }
        }
        if recording.loses && failed_closed == 0 {
            self.violation("no client returned from a position that was lost".into());
        }
    }
}

impl Recording {
    /// Returns whether the log has a publication. After a loss the epoch may be another one.
    pub(crate) fn is_in_log(&self, stored: &Stored) -> bool {
        let Some(first) = self.log.first() else { return false };
        let index = stored.position.offset.checked_sub(first.position.offset);
        let found = index.and_then(|index| self.log.get(usize::try_from(index).ok()?));
        found.is_some_and(|found| {
            found.id == stored.id
                && found.position.tag == stored.position.tag
                && (self.loses || found.position.epoch == stored.position.epoch)
        })
    }
}

/// Returns whether a position is the next one. Each broker of a case has one room with history, so
/// that offsets count its publications.
fn follows(earlier: Position, later: Position) -> bool {
    earlier.epoch == later.epoch && earlier.offset + 1 == later.offset
}

mod tests {
    use sockeye_hub::core::Tag;
    use sockeye_hub::core::history::GapReason;

    use super::*;

    fn at(offset: u64) -> Position {
        Position { epoch: Epoch(1), offset, tag: Tag(100 + offset) }
    }

    fn stored(offset: u64) -> Stored {
        Stored { id: format!("id {offset}"), position: at(offset) }
    }

    fn joined(from: Option<u64>, position: u64, recovery: Recovered) -> Observation {
        Observation::Joined { from: from.map(at), position: at(position), recovery }
    }

    fn delivered(offset: u64) -> Observation {
        Observation::Delivered(stored(offset))
    }

    fn missed(reason: MissedReason, count: Option<u64>, position: u64) -> Observation {
        Observation::Missed(Missed { reason, count, position: Some(at(position)) })
    }

    /// Returns a case without violations: one observer was there from the beginning, and lost its
    /// connection once; another returned at the end.
    fn good() -> Recording {
        let mut first = vec![joined(None, 0, Recovered::NotAsked)];
        first.extend((1..=3).map(delivered));
        first.push(joined(None, 6, Recovered::All));
        first.extend((4..=6).map(delivered));
        let mut second = vec![joined(Some(2), 6, Recovered::All)];
        second.extend((3..=6).map(delivered));
        Recording {
            observers: vec![
                Observations { observer: "first".into(), all: first },
                Observations { observer: "second".into(), all: second },
            ],
            acknowledged: (1..=6).map(stored).collect(),
            log: (1..=6).map(stored).collect(),
            top: at(6),
            returned: vec![(at(2), Recovered::All)],
            loses: false,
            drops: false,
        }
    }

    /// Returns a case whose store lost the fifth and the sixth publication, and then stored others.
    fn rolled_back() -> Recording {
        let mut recording = good();
        let renewed = |offset| {
            let position = Position { epoch: Epoch(2), ..at(offset) };
            Stored { position, ..stored(offset) }
        };
        let other = |offset, id: &str| {
            let position = Position { epoch: Epoch(2), offset, tag: Tag(200 + offset) };
            Stored { id: id.into(), position }
        };
        recording.loses = true;
        recording.log = (1..=4).map(renewed).collect();
        recording.log.extend([other(5, "other"), other(6, "last")]);
        recording.top = recording.log[5].position;
        recording.acknowledged.push(recording.log[5].clone());
        let reason = MissedReason::Gap(GapReason::RolledBack);
        let position = Some(recording.log[4].position);
        for observer in &mut recording.observers {
            observer.all.push(Observation::Missed(Missed { reason, count: None, position }));
            observer.all.push(Observation::Delivered(recording.log[5].clone()));
        }
        recording.returned = vec![
            (at(5), Recovered::Gap(GapReason::RolledBack)),
            (recording.log[2].position, Recovered::All),
        ];
        recording
    }

    /// Checks that the checker complains about a changed case, with these words.
    fn complains(mut recording: Recording, change: impl FnOnce(&mut Recording), words: &str) {
        recording.check().expect("the case is without violations before it is changed");
        change(&mut recording);
        let violations = recording.check().expect_err(words);
        assert!(violations.iter().any(|text| text.contains(words)), "{words}: {violations:?}");
    }

    #[test]
    fn cases_without_violations_pass() {
        let figures = good().check().unwrap();
        assert_eq!(figures, Figures { delivered: 10, ..Figures::default() });
        let figures = rolled_back().check().unwrap();
        assert_eq!((figures.gaps, figures.lost), (2, 2));
    }

    #[test]
    fn a_hole_is_found() {
        let remove = |recording: &mut Recording| drop(recording.observers[0].all.remove(2));
        complains(good(), remove, "first was at");
        let remove = |recording: &mut Recording| drop(recording.observers[0].all.remove(5));
        complains(good(), remove, "first was at");
        let remove = |recording: &mut Recording| drop(recording.observers[1].all.remove(1));
        complains(good(), remove, "second was at");
    }

    #[test]
    fn a_repetition_is_found() {
        let repeat = |recording: &mut Recording| recording.observers[0].all.insert(3, delivered(2));
        complains(good(), repeat, "received id 2 twice");
    }

    #[test]
    fn another_order_is_found() {
        let swap = |recording: &mut Recording| recording.observers[1].all.swap(2, 3);
        complains(good(), swap, "second was at");
    }

    #[test]
    fn a_missing_end_is_found() {
        let remove = |recording: &mut Recording| drop(recording.observers[1].all.pop());
        complains(good(), remove, "second ended at");
    }

    #[test]
    fn a_return_without_a_position_is_found() {
        let forget = |recording: &mut Recording| {
            recording.observers[0].all[4] = joined(None, 3, Recovered::NotAsked);
        };
        complains(good(), forget, "returned without its position");
    }

    #[test]
    fn a_gap_without_a_loss_is_found() {
        let gap = Recovered::Gap(GapReason::Trimmed);
        let tell = |recording: &mut Recording| {
            recording.observers[0].all.splice(4..7, [joined(None, 5, gap)]);
        };
        complains(good(), tell, "nothing was lost");
    }

    #[test]
    fn drops_without_the_right_count_are_found() {
        let drops = |count| {
            move |recording: &mut Recording| {
                recording.drops = true;
                let told = missed(MissedReason::Slow, Some(count), 3);
                recording.observers[0].all.splice(2..4, [told]);
            }
        };
        let mut dropped = good();
        drops(2)(&mut dropped);
        assert_eq!(dropped.check().unwrap().dropped, 2);
        complains(good(), drops(1), "told of Missed");
        let forbid = |recording: &mut Recording| recording.drops = false;
        complains(dropped, forbid, "too slow");
    }

    #[test]
    fn an_acknowledged_publication_that_is_not_stored_is_found() {
        let acknowledge = |recording: &mut Recording| recording.acknowledged.push(stored(7));
        complains(good(), acknowledge, "is not in the log");
    }

    #[test]
    fn an_id_that_is_stored_twice_is_found() {
        let repeat = |recording: &mut Recording| recording.log[3].id = "id 3".into();
        complains(good(), repeat, "the log has id 3 twice");
        let acknowledge = |recording: &mut Recording| {
            let position = at(4);
            recording.acknowledged.push(Stored { position, ..stored(3) });
        };
        complains(good(), acknowledge, "have one id");
    }

    #[test]
    fn two_publications_at_a_position_are_found() {
        let change = |recording: &mut Recording| {
            recording.observers[1].all[2] =
                Observation::Delivered(Stored { id: "other".into(), ..stored(4) });
        };
        complains(good(), change, "have one position");
    }

    #[test]
    fn a_hole_in_the_log_is_found() {
        let remove = |recording: &mut Recording| drop(recording.log.remove(3));
        complains(good(), remove, "the log has");
    }

    #[test]
    fn a_rollback_that_is_hidden_is_found() {
        // The fault of systems whose positions have no tag: "recovered" from a lost position.
        let recover = |recording: &mut Recording| recording.returned[0].1 = Recovered::All;
        complains(rolled_back(), recover, "a client returned from");
        // The next publication of the new epoch without a gap.
        let hide = |recording: &mut Recording| drop(recording.observers[0].all.remove(8));
        complains(rolled_back(), hide, "first was at");
        let lose_nothing = |recording: &mut Recording| recording.acknowledged.truncate(4);
        complains(rolled_back(), lose_nothing, "lost none");
        let try_nothing = |recording: &mut Recording| {
            recording.returned.remove(0);
        };
        complains(rolled_back(), try_nothing, "no client returned");
    }
}
