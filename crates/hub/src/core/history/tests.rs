use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::id_window::IdWindow;
use super::*;
use crate::core::{Epoch, Position, Publication, PublicationId, Tag};

const EPOCH: Epoch = Epoch(7);

fn log(retention: Retention) -> (Log, Instant) {
    let now = Instant::now();
    (Log::new(now, EPOCH, retention), now)
}

fn publication(size: usize) -> Arc<Publication> {
    Arc::new(Publication::new("x".repeat(size)))
}

fn with_id(id: &str) -> Arc<Publication> {
    Arc::new(Publication { id: Some(PublicationId::new(id)), ..Publication::new("") })
}

fn position(offset: u64, tag: u64) -> Position {
    Position { epoch: EPOCH, offset, tag: Tag(tag) }
}

/// Appends publications with the tags 101, 102, … at the offsets 1, 2, …
fn fill(log: &mut Log, now: Instant, count: u64) {
    for _ in 0..count {
        let tag = Tag(101 + log.top().offset);
        log.append(now, publication(1), tag);
    }
}

fn offsets(recovery: &Recovery) -> Vec<u64> {
    match recovery {
        Recovery::Complete { publications, .. } => {
            publications.iter().map(|entry| entry.offset).collect()
        }
        Recovery::Gap(gap) => panic!("{gap:?}"),
    }
}

fn reason(recovery: &Recovery) -> GapReason {
    match recovery {
        Recovery::Gap(gap) => gap.reason,
        Recovery::Complete { .. } => panic!("{recovery:?}"),
    }
}

#[test]
fn a_reader_at_the_top_is_complete_even_if_nothing_is_retained() {
    let (mut log, now) = log(Retention { count: 0, ..Retention::default() });
    assert_eq!(offsets(&log.recover(now, &Position::start(EPOCH), 9)), [0; 0]);
    fill(&mut log, now, 3);
    assert!(log.is_empty());
    assert_eq!(offsets(&log.recover(now, &position(3, 103), 9)), [0; 0]);
    assert_eq!(reason(&log.recover(now, &position(2, 102), 9)), GapReason::Trimmed);
}

#[test]
fn a_position_is_proven_by_its_own_entry_or_by_the_next_one() {
    let (mut log, now) = log(Retention { count: 2, ..Retention::default() });
    fill(&mut log, now, 4);
    assert_eq!(offsets(&log.recover(now, &position(3, 103), 9)), [4]);
    assert_eq!(offsets(&log.recover(now, &position(2, 102), 9)), [3, 4]);
    assert_eq!(reason(&log.recover(now, &position(1, 101), 9)), GapReason::Trimmed);
}

#[test]
fn the_position_before_the_first_publication_is_proven_while_that_is_retained() {
    let (mut log, now) = log(Retention { count: 2, ..Retention::default() });
    fill(&mut log, now, 2);
    assert_eq!(offsets(&log.recover(now, &Position::start(EPOCH), 9)), [1, 2]);
    fill(&mut log, now, 1);
    let recovery = log.recover(now, &Position::start(EPOCH), 9);
    assert_eq!(reason(&recovery), GapReason::Trimmed);
}

#[test]
fn another_tag_or_an_offset_beyond_the_top_is_a_rollback() {
    let (mut log, now) = log(Retention { count: 2, ..Retention::default() });
    fill(&mut log, now, 4);
    for (offset, tag) in [(4, 9), (3, 9), (2, 9), (5, 105), (u64::MAX, 1)] {
        let recovery = log.recover(now, &position(offset, tag), 9);
        assert_eq!(reason(&recovery), GapReason::RolledBack, "{offset}");
    }
}

#[test]
fn equal_epoch_and_offset_do_not_hide_a_rollback() {
    // 100 publications, a snapshot, 50 more, a crash, 50 others.
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 100);
    let mut restored = log.clone();
    fill(&mut log, now, 50);
    let client = log.top();
    for number in 0..50 {
        restored.append(now, publication(1), Tag(1_000 + number));
    }
    assert_eq!((client.epoch, client.offset), (restored.top().epoch, restored.top().offset));
    assert_eq!(reason(&restored.recover(now, &client, 999)), GapReason::RolledBack);
    assert_eq!(offsets(&restored.recover(now, &position(100, 200), 999)).len(), 50);
}

#[test]
fn another_epoch_is_a_gap_whatever_the_offset() {
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 2);
    let old = log.top();
    assert_eq!(log.replace_epoch(Epoch(8), Epoch(9)), old);
    let new = log.replace_epoch(EPOCH, Epoch(8));
    assert_eq!(new, Position { epoch: Epoch(8), ..old });
    let gap = Gap { position: new, reason: GapReason::Epoch };
    assert_eq!(log.recover(now, &old, 9), Recovery::Gap(gap));
    assert_eq!(
        offsets(&log.recover(now, &Position { epoch: Epoch(8), ..position(1, 101) }, 9)),
        [2]
    );
}

#[test]
fn more_missed_than_the_limit_is_a_gap_and_not_a_part() {
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 5);
    assert_eq!(offsets(&log.recover(now, &position(2, 102), 3)), [3, 4, 5]);
    let gap = Gap { position: position(5, 105), reason: GapReason::Limit };
    assert_eq!(log.recover(now, &position(2, 102), 2), Recovery::Gap(gap));
}

#[test]
fn a_removed_history_fails_closed_and_goes_on() {
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 3);
    log.remove();
    assert_eq!((log.len(), log.bytes()), (0, 0));
    assert_eq!(reason(&log.recover(now, &position(2, 102), 9)), GapReason::Trimmed);
    assert_eq!(offsets(&log.recover(now, &position(3, 103), 9)), [0; 0]);
    fill(&mut log, now, 1);
    assert_eq!(offsets(&log.recover(now, &position(3, 103), 9)), [4]);
    assert_eq!(reason(&log.recover(now, &position(2, 102), 9)), GapReason::Trimmed);
}

#[test]
fn the_same_id_is_stored_once_and_has_one_position_for_five_minutes() {
    let (mut log, now) = log(Retention { count: 0, ..Retention::default() });
    let first = log.append(now, with_id("a"), Tag(1));
    assert!(first.entry.is_some());
    fill(&mut log, now, 1);
    let within = now + ID_WINDOW.saturating_sub(Duration::from_nanos(1));
    let again = log.append(within, with_id("a"), Tag(2));
    assert_eq!(again, Appended { position: first.position, entry: None });
    assert_eq!(log.top().offset, 2);
    let later = log.append(now + ID_WINDOW, with_id("a"), Tag(3));
    assert_eq!(later.position, position(3, 3));
    assert!(later.entry.is_some());
}

#[test]
fn the_oldest_ids_are_forgotten_beyond_the_bound() {
    let (mut log, now) = log(Retention { count: 0, ..Retention::default() });
    for number in 0..=IdWindow::COUNT {
        log.append(now, with_id(&number.to_string()), Tag(1));
    }
    assert!(log.append(now, with_id("1"), Tag(1)).entry.is_none());
    assert!(log.append(now, with_id("0"), Tag(1)).entry.is_some());

    // An id that alone exceeds the bound in bytes is not remembered, and displaces no other one.
    let lengthy = "x".repeat(IdWindow::BYTES + 1);
    assert!(log.append(now, with_id(&lengthy), Tag(1)).entry.is_some());
    assert!(log.append(now, with_id(&lengthy), Tag(1)).entry.is_some());
    assert!(log.append(now, with_id("2"), Tag(1)).entry.is_none());
    let half = "x".repeat(IdWindow::BYTES / 2);
    log.append(now, with_id(&format!("a{half}")), Tag(1));
    log.append(now, with_id(&format!("b{half}")), Tag(1));
    assert!(log.append(now, with_id(&format!("b{half}")), Tag(1)).entry.is_none());
    assert!(log.append(now, with_id("2"), Tag(1)).entry.is_some());
}

#[test]
fn pages_continue_in_both_directions() {
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 5);
    let limit = Limit { count: 2, bytes: usize::MAX };
    for (mut range, expected) in [
        (Range::forwards(limit), vec![vec![1, 2], vec![3, 4], vec![5]]),
        (Range::backwards(limit), vec![vec![5, 4], vec![3, 2], vec![1]]),
        (Range::forwards(limit).at(4), vec![vec![4, 5]]),
        (Range::backwards(limit).at(2), vec![vec![2, 1]]),
        (Range::forwards(limit).at(6), vec![vec![]]),
        (Range::backwards(limit).at(0), vec![vec![]]),
        (Range::backwards(limit).at(u64::MAX), vec![vec![5, 4], vec![3, 2], vec![1]]),
    ] {
        let mut pages = Vec::new();
        loop {
            let page = log.read(now, range);
            assert_eq!(page.top, log.top());
            pages.push(page.entries.iter().map(|entry| entry.offset).collect::<Vec<_>>());
            let Some(next) = page.next_range() else { break };
            range = next;
        }
        assert_eq!(pages, expected);
    }
}

#[test]
fn a_page_proves_only_what_it_covers() {
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 9);
    let limit = Limit { count: 3, bytes: usize::MAX };
    let page = log.read(now, Range::forwards(limit).at(4));
    let after = |offset| page.after(&position(offset, 100 + offset)).map(<[Entry]>::len);
    assert_eq!(after(4), Ok(2));
    assert_eq!(after(6), Ok(0));
    assert_eq!(after(9), Ok(0));
    for offset in [3, 7] {
        assert!(!page.covers(&position(offset, 100 + offset)));
        assert_eq!(after(offset), Err(GapReason::Trimmed));
    }
    let backwards = log.read(now, Range::backwards(limit).at(6));
    assert!(!backwards.covers(&position(5, 105)));
}

#[test]
fn a_hole_within_a_page_is_a_gap() {
    let (mut log, now) = log(Retention::default());
    fill(&mut log, now, 5);
    let mut page = log.read(now, Range::forwards(Limit::NONE));
    page.entries.remove(2);
    assert_eq!(page.after(&position(1, 101)), Err(GapReason::Trimmed));
    assert_eq!(page.after(&position(4, 104)).map(<[Entry]>::len), Ok(1));
}

#[test]
fn without_known_predecessors_the_own_entry_or_the_top_is_needed() {
    let (mut log, now) = log(Retention { count: 2, ..Retention::default() });
    fill(&mut log, now, 4);
    let mut page = log.read(now, Range::forwards(Limit::NONE));
    for entry in &mut page.entries {
        entry.previous = None;
    }
    assert_eq!(page.after(&position(3, 103)).map(<[Entry]>::len), Ok(1));
    assert_eq!(page.after(&position(4, 104)).map(<[Entry]>::len), Ok(0));
    assert_eq!(page.after(&position(2, 102)), Err(GapReason::Trimmed));
}

#[derive(Clone, Debug)]
enum Step {
    Append { size: usize, wait: u64 },
    Repeat { back: usize },
    Remove,
    Wait(u64),
    Rollback,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_usize..40, 0_u64..30).prop_map(|(size, wait)| Step::Append { size, wait }),
        1 => (0_usize..5).prop_map(|back| Step::Repeat { back }),
        1 => Just(Step::Remove),
        1 => (0_u64..200).prop_map(Step::Wait),
        1 => Just(Step::Rollback),
        1 => Just(Step::Snapshot),
    ]
}

/// The model of a log: every publication since the beginning.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Tag, size, time of the publication, and whether it was removed.
    all: Vec<(Tag, usize, Instant, bool)>,
}

impl Model {
    /// Returns the offset of the first retained publication, and marks what is not retained.
    fn first(&mut self, now: Instant, retention: &Retention) -> usize {
        let mut bytes = 0;
        let mut retained = true;
        for (_, size, at, removed) in self.all.iter_mut().rev() {
            bytes += *size;
            retained &= !*removed && bytes <= retention.bytes && now - *at < retention.age;
            *removed |= !retained;
        }
        let count = self.all.iter().filter(|(.., removed)| !removed).count();
        let excess = count.saturating_sub(retention.count);
        let kept = self.all.iter_mut().filter(|(.., removed)| !removed);
        kept.take(excess).for_each(|(.., removed)| *removed = true);
        self.all.iter().filter(|(.., removed)| *removed).count() + 1
    }
}

proptest! {
    #[test]
    fn a_log_agrees_with_the_list_of_all_publications(
        steps in prop::collection::vec(step(), 1..60),
        count in 0_usize..12,
        bytes in 0_usize..200,
        age in 1_u64..500,
        asked in prop::collection::vec((0_u64..70, any::<bool>()), 4),
        limit in (0_usize..6, 0_usize..100),
    ) {
        let retention = Retention { count, age: Duration::from_millis(age), bytes };
        let (mut log, mut now) = log(retention);
        let mut model = Model::default();
        let mut snapshot = (log.clone(), model.clone());
        let mut tag = 0;
        for step in steps {
            match step {
                Step::Append { size, wait } => {
                    now += Duration::from_millis(wait);
                    tag += 1;
                    let mut new = Publication::new("x".repeat(size));
                    new.id = Some(PublicationId::new(&tag.to_string()));
                    let size = new.size();
                    let appended = log.append(now, Arc::new(new), Tag(tag));
                    model.first(now, &retention);
                    model.all.push((Tag(tag), size, now, false));
                    prop_assert_eq!(appended.position, log.top());
                    prop_assert!(appended.entry.is_some());
                }
                Step::Repeat { back } => {
                    let Some(index) = model.all.len().checked_sub(back + 1) else { continue };
                    let known = model.all[index].0;
                    let id = Some(PublicationId::new(&known.0.to_string()));
                    let repeated = Publication { id, ..Publication::new("") };
                    let appended = log.append(now, Arc::new(repeated), Tag(999));
                    prop_assert_eq!(appended.position, position(index as u64 + 1, known.0));
                    prop_assert_eq!(appended.entry, None);
                }
                Step::Remove => {
                    log.remove();
                    model.all.iter_mut().for_each(|(.., removed)| *removed = true);
                }
                Step::Wait(wait) => now += Duration::from_millis(wait),
                Step::Snapshot => snapshot = (log.clone(), model.clone()),
                Step::Rollback => (log, model) = snapshot.clone(),
            }
            let first = model.first(now, &retention);
            let top = model.all.len() as u64;
            log.trim(now);
            let retained = &model.all[first - 1..];
            prop_assert_eq!(log.len(), retained.len());
            prop_assert_eq!(log.bytes(), retained.iter().map(|(_, size, ..)| size).sum::<usize>());
            prop_assert!(log.len() <= count && log.bytes() <= bytes);
            prop_assert_eq!(log.top().offset, top);

            let limits = Limit { count: limit.0, bytes: limit.1 };
            for range in [Range::forwards(limits), Range::backwards(limits)] {
                let (mut next, mut all) = (Some(range), Vec::new());
                while let Some(range) = next {
                    let page = log.read(now, range);
                    let sizes = page.entries.iter().map(|entry| entry.publication.size());
                    let (length, sum) = (page.entries.len(), sizes.sum::<usize>());
                    prop_assert!(length <= 2 || length <= limits.count && sum <= limits.bytes);
                    next = page.next_range();
                    prop_assert_eq!(next.is_some(), page.remaining > 0);
                    all.extend(page.entries.into_iter().map(|entry| entry.tag));
                }
                if range.direction == Direction::Backwards {
                    all.reverse();
                }
                prop_assert_eq!(all, retained.iter().map(|(tag, ..)| *tag).collect::<Vec<_>>());
            }

            for (offset, right) in &asked {
                let index = usize::try_from(*offset).expect("small");
                let true_tag = match index.checked_sub(1) {
                    None => Some(Tag::NONE),
                    Some(index) => model.all.get(index).map(|(tag, ..)| *tag),
                };
                let tag = true_tag.filter(|_| *right).unwrap_or(Tag(1_000_000));
                let recovery = log.recover(now, &Position { epoch: EPOCH, offset: *offset, tag }, 5);
                // Everything after the offset is retained, or there is nothing after it.
                let provable = index + 1 >= first && Some(tag) == true_tag;
                match recovery {
                    Recovery::Complete { publications, position } => {
                        prop_assert!(provable && model.all.len() - index <= 5);
                        prop_assert_eq!(position, log.top());
                        let tags = publications.iter().map(|entry| entry.tag).collect::<Vec<_>>();
                        let missed = model.all[index..].iter().map(|(tag, ..)| *tag);
                        prop_assert_eq!(tags, missed.collect::<Vec<_>>());
                    }
                    Recovery::Gap(gap) => {
                        prop_assert_eq!(gap.position, log.top());
                        match gap.reason {
                            GapReason::Limit => prop_assert!(provable && model.all.len() - index > 5),
                            GapReason::Trimmed => prop_assert!(index + 1 < first && !provable),
                            GapReason::RolledBack => prop_assert!(Some(tag) != true_tag),
                            GapReason::Epoch => prop_assert!(false, "the epoch is the same"),
                        }
                    }
                }
            }
        }
    }
}
