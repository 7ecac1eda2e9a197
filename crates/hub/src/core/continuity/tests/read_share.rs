use super::*;
use crate::core::continuity::{CatchUp, CatchUpConfig, CatchUpOutput, Read, ReadShare, Shared};

const LIMIT: Limit = Limit { count: 1_000, bytes: 1 << 20 };

fn read(after: u64) -> Read {
    Read { after: position(after), leader: false }
}

#[test]
fn a_reader_is_answered_by_a_read_that_began_after_it_asked() {
    let mut store = Store::new(99);
    store.publish_many(3);
    let mut share = ReadShare::new(LIMIT);
    assert!(share.ask("first", read(1)).is_some());
    assert_eq!(share.ask("second", read(1)), None);
    let shared = share.on_page(&store.page(1, 9));
    assert_eq!(shared.readers, ["first"]);
    assert!(shared.read.is_some());
    let shared = share.on_page(&store.page(1, 9));
    assert_eq!(shared, Shared { readers: vec!["second"], read: None });
    assert_eq!(share.waiting(), 0);
}

#[test]
fn one_page_answers_all_whom_it_covers() {
    let mut store = Store::new(99);
    store.publish_many(9);
    let mut share = ReadShare::new(Limit { count: 3, ..LIMIT });
    assert!(share.ask(0, read(9)).is_some());
    for offset in [4, 1, 3, 8] {
        assert_eq!(share.ask(offset, read(offset)), None);
    }
    // Then the one that is furthest behind, then the one that waited longest.
    let next = share.on_page(&store.page(9, 3)).read.expect("four wait");
    assert_eq!(next.range.start, Some(1));
    let shared = share.on_page(&store.page(1, 3));
    assert_eq!(shared.readers, [1, 3]);
    let next = shared.read.expect("two wait");
    assert_eq!(next.range.start, Some(4));
    let shared = share.on_page(&store.page(4, 3));
    assert_eq!(shared.readers, [4]);
    assert_eq!(share.on_page(&store.page(8, 3)), Shared { readers: vec![8], read: None });
}

#[test]
fn a_reader_of_another_epoch_is_answered_by_any_page() {
    let mut store = Store::new(99);
    store.publish_many(9);
    let mut share = ReadShare::new(Limit { count: 3, ..LIMIT });
    assert!(share.ask(0, read(9)).is_some());
    let other = Position { epoch: Epoch(1), ..position(7) };
    share.ask(1, Read { after: other, leader: true });
    share.ask(2, read(1));
    let next = share.on_page(&store.page(9, 3)).read.expect("two wait");
    assert!(next.leader);
    assert_eq!(share.on_page(&store.page(1, 3)), Shared { readers: vec![1, 2], read: None });
}

#[test]
fn a_reader_that_waits_is_not_starved_by_those_behind_it() {
    let mut store = Store::new(99);
    store.publish_many(50);
    let mut share = ReadShare::new(Limit { count: 2, ..LIMIT });
    let mut next = share.ask(0, read(1));
    share.ask(99, read(40));
    for reader in 1..9 {
        share.ask(reader, read(1));
        let start = next.and_then(|next| next.range.start).expect("it is under way");
        let shared = share.on_page(&store.page(start, 2));
        if shared.readers.contains(&99) {
            return;
        }
        next = shared.read;
    }
    panic!("the reader at 40 was never answered");
}

#[test]
fn a_failed_read_is_told_to_its_readers_only() {
    let mut share = ReadShare::new(LIMIT);
    assert!(share.ask(1, read(1)).is_some());
    share.ask(2, read(1));
    share.ask(3, read(1));
    share.remove(|reader| *reader == 3);
    let shared = share.on_failed();
    assert_eq!(shared.readers, [1]);
    assert!(shared.read.is_some());
    assert_eq!(share.on_failed(), Shared { readers: vec![2], read: None });
}

#[test]
fn five_thousand_sessions_that_return_at_once_cost_few_reads() {
    let mut store = Store::new(5_000);
    store.publish_many(3_000);
    let live = store.log.top();
    // Each was disconnected at a moment of its own, within the last thousand publications.
    let mut sessions = (0..5_000)
        .map(|number| {
            CatchUp::new(position(2_000 + number % 1_000), live, CatchUpConfig::default())
        })
        .collect::<Vec<_>>();
    let mut share = ReadShare::new(LIMIT);
    let (mut reads, mut in_step, mut deliveries) = (0, 0, 0);
    let mut next = None;
    while in_step < sessions.len() {
        for (number, session) in sessions.iter_mut().enumerate() {
            loop {
                match session.poll(usize::MAX) {
                    CatchUpOutput::Read(read) => next = share.ask(number, read).or(next),
                    CatchUpOutput::Deliver(entries) => deliveries += entries.len(),
                    CatchUpOutput::InStep { recovered: true, .. } => in_step += 1,
                    CatchUpOutput::Wait => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        while let Some(read) = next {
            reads += 1;
            let page = Arc::new(store.log.read(store.now, read.range));
            let shared = share.on_page(&page);
            shared.readers.iter().for_each(|number| sessions[*number].on_page(&page));
            next = shared.read;
        }
    }
    assert_eq!(deliveries, 5 * (1..=1_000).sum::<usize>());
    assert!(reads <= 10, "{reads} reads");
}
