use std::time::Duration;

use super::*;
use crate::core::continuity::{Ask, Chain, ChainConfig, ChainOutput, Question, Read, Received};
use crate::core::history::{Gap, GapReason, Previous};

/// A chain that follows a store from its top.
fn follow(store: &Store, config: ChainConfig) -> Chain {
    let (mut chain, ask) = Chain::new(store.now, config);
    assert_eq!(ask.question, Question::Top);
    let output = chain.on_top(store.now, ask.token, store.log.top());
    assert_eq!(output, checked());
    chain
}

/// Nothing to do: the chain is where the store is.
fn checked() -> ChainOutput {
    ChainOutput { checked: true, ..ChainOutput::default() }
}

fn receive(chain: &mut Chain, store: &Store, entry: &Entry) -> Received {
    chain.on_publication(store.now, store.log.top().epoch, entry.clone())
}

fn asked(received: Received) -> Ask {
    match received {
        Received::Ask(ask) => ask,
        other => panic!("{other:?}"),
    }
}

fn read(after: u64, leader: bool) -> Question {
    Question::Read(Read { after: position(after), leader })
}

#[test]
fn the_next_publication_is_delivered_at_once_and_its_repeat_is_dropped() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    for entry in store.publish_many(3) {
        assert_eq!(receive(&mut chain, &store, &entry), Received::Deliver(entry.clone()));
        assert_eq!(receive(&mut chain, &store, &entry), Received::Repeated);
    }
    assert_eq!(chain.position(), Some(position(3)));
}

#[test]
fn what_arrives_before_the_first_top_is_delivered_after_it() {
    let mut store = Store::new(9);
    let (mut chain, ask) = Chain::new(store.now, ChainConfig::default());
    let entries = store.publish_many(2);
    let top = position(1);
    for entry in &entries {
        assert_eq!(receive(&mut chain, &store, entry), Received::Held);
    }
    assert_eq!(chain.position(), None);
    let output = chain.on_top(store.now, ask.token, top);
    assert_eq!(offsets(&output.deliver), [2]);
    assert_eq!((output.gap, output.ask), (None, None));
}

#[test]
fn a_hole_is_read_once_and_delivered_in_order() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let entries = store.publish_many(5);
    let ask = asked(receive(&mut chain, &store, &entries[2]));
    assert_eq!(ask.question, read(0, false));
    assert_eq!(receive(&mut chain, &store, &entries[4]), Received::Held);
    assert_eq!(receive(&mut chain, &store, &entries[0]), Received::Held);
    let page = store.page(0, 9);
    let output = chain.on_page(store.now, ask.token, &page);
    assert_eq!(offsets(&output.deliver), [1, 2, 3, 4, 5]);
    assert_eq!((output.gap, output.ask, chain.is_suspended()), (None, None, false));
    for entry in &entries {
        assert_eq!(receive(&mut chain, &store, entry), Received::Repeated);
    }
}

#[test]
fn a_long_hole_is_read_page_by_page() {
    let mut store = Store::new(99);
    let mut chain = follow(&store, ChainConfig::default());
    let entries = store.publish_many(6);
    let mut ask = asked(receive(&mut chain, &store, &entries[5]));
    let mut pages = Vec::new();
    for start in [0, 2, 4, 6] {
        let page = store.page(start, 2 + usize::from(start > 0));
        let output = chain.on_page(store.now, ask.token, &page);
        pages.push(offsets(&output.deliver));
        let Some(next) = output.ask else { break };
        ask = next;
    }
    assert_eq!(pages, [vec![1, 2], vec![3, 4], vec![5, 6]]);
    assert!(!chain.is_suspended());
}

#[test]
fn a_hole_that_is_trimmed_is_one_gap() {
    let mut store = Store::new(2);
    let mut chain = follow(&store, ChainConfig::default());
    let entries = store.publish_many(5);
    let ask = asked(receive(&mut chain, &store, &entries[4]));
    let page = store.page(0, 9);
    let output = chain.on_page(store.now, ask.token, &page);
    // It is believed when the leader tells it.
    assert_eq!(
        output,
        ChainOutput {
            gap: None,
            deliver: vec![],
            checked: false,
            ask: Some(Ask { token: ask.token + 1, question: read(0, true) })
        }
    );
    let output = chain.on_page(store.now, ask.token + 1, &page);
    let gap = Gap { position: position(5), reason: GapReason::Trimmed };
    assert_eq!(output, ChainOutput { gap: Some(gap), ..checked() });
    let next = store.publish();
    assert_eq!(receive(&mut chain, &store, &next), Received::Deliver(next));
}

#[test]
fn a_replica_that_lags_is_read_again_from_the_leader() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let first = store.publish();
    let lagging = store.page(0, 9);
    let second = store.publish();
    let third = store.publish();
    let ask = asked(receive(&mut chain, &store, &third));
    let output = chain.on_page(store.now, ask.token, &lagging);
    assert_eq!(output.deliver, [first]);
    let ask = output.ask.expect("the third one is not explained");
    assert_eq!(ask.question, read(1, true));
    let page = store.page(1, 9);
    assert_eq!(chain.on_page(store.now, ask.token, &page).deliver, [second, third]);
}

#[test]
fn a_rollback_replaces_the_epoch_and_is_one_gap() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let restored = store.log.clone();
    for entry in store.publish_many(2) {
        let _ = receive(&mut chain, &store, &entry);
    }
    store.log = restored;
    store.tags = 200;
    let others = store.publish_many(3);
    // The bus repeats offset 1 with another publication.
    let ask = asked(receive(&mut chain, &store, &others[0]));
    assert_eq!(ask.question, read(2, true));
    assert_eq!(receive(&mut chain, &store, &others[2]), Received::Held);
    let page = store.page(2, 9);
    let ask = chain.on_page(store.now, ask.token, &page).ask.expect("the epoch is replaced");
    assert_eq!(ask.question, Question::ReplaceEpoch { expected: EPOCH });
    let top = store.log.replace_epoch(EPOCH, Epoch(8));
    let output = chain.on_top(store.now, ask.token, top);
    let gap = Gap { position: top, reason: GapReason::RolledBack };
    assert_eq!(output, ChainOutput { gap: Some(gap), ..checked() });
    let next = store.publish();
    assert_eq!(receive(&mut chain, &store, &next), Received::Deliver(next));
}

#[test]
fn another_epoch_is_a_gap_and_a_late_publication_of_the_former_one_is_not() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let late = store.publish();
    store.log.replace_epoch(EPOCH, Epoch(8));
    let new = store.publish();
    let ask = asked(receive(&mut chain, &store, &new));
    let page = store.page(0, 9);
    let output = chain.on_page(store.now, ask.token, &page);
    let top = store.log.top();
    assert_eq!(output.gap, Some(Gap { position: top, reason: GapReason::Epoch }));

    let ask = asked(chain.on_publication(store.now, EPOCH, late));
    let page = store.page(2, 9);
    let output = chain.on_page(store.now, ask.token, &page);
    assert_eq!((output, chain.is_suspended()), (checked(), false));
}

#[test]
fn an_offset_that_repeats_the_last_one_with_another_tag_suspends_delivery() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let entry = store.publish();
    let _ = receive(&mut chain, &store, &entry);
    let other = Entry { tag: Tag(9), ..entry };
    assert_eq!(asked(receive(&mut chain, &store, &other)).question, read(1, true));
}

#[test]
fn a_successor_of_another_publication_at_the_same_offset_is_not_the_next_one() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let first = store.publish();
    let _ = receive(&mut chain, &store, &first);
    let previous = Some(Previous { offset: 1, tag: Some(Tag(9)) });
    let other = Entry { previous, ..store.publish() };
    assert_eq!(asked(receive(&mut chain, &store, &other)).question, read(1, false));
}

#[test]
fn silence_is_checked_and_a_lost_last_publication_is_found() {
    let mut store = Store::new(9);
    let jitter = Duration::from_secs(3);
    let mut chain = follow(&store, ChainConfig { jitter, ..ChainConfig::default() });
    assert_eq!(chain.next_timeout(), store.now + Duration::from_secs(13));
    assert_eq!(chain.on_timeout(store.now + Duration::from_secs(12)), None);
    store.now = chain.next_timeout();
    let ask = chain.on_timeout(store.now).expect("it is time");
    assert_eq!(ask.question, Question::Top);
    assert_eq!(chain.on_top(store.now, ask.token, position(0)), checked());

    let lost = store.publish();
    store.now = chain.next_timeout();
    let ask = chain.on_timeout(store.now).expect("it is time");
    let ask = chain.on_top(store.now, ask.token, store.log.top()).ask.expect("the top differs");
    let page = store.page(0, 9);
    assert_eq!(chain.on_page(store.now, ask.token, &page).deliver, [lost]);
}

#[test]
fn a_top_that_was_passed_meanwhile_is_no_reason_to_read() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    store.now = chain.next_timeout();
    let ask = chain.on_timeout(store.now).expect("it is time");
    let entries = store.publish_many(3);
    for entry in &entries {
        assert_eq!(receive(&mut chain, &store, entry), Received::Deliver(entry.clone()));
    }
    assert_eq!(chain.on_top(store.now, ask.token, position(2)), checked());
    assert!(!chain.is_suspended());
}

#[test]
fn after_a_reconnect_nothing_is_delivered_before_the_top_is_checked() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let entries = store.publish_many(3);
    let _ = receive(&mut chain, &store, &entries[0]);
    let ask = chain.on_reconnected(store.now);
    assert_eq!(receive(&mut chain, &store, &entries[1]), Received::Held);
    let output = chain.on_top(store.now, ask.token, position(1));
    assert_eq!(output.deliver, entries[1..2]);
    // The top went back by one: the last delivered publication was lost.
    let ask = chain.on_reconnected(store.now);
    let output = chain.on_top(store.now, ask.token, position(1));
    assert_eq!(output.ask.map(|ask| ask.question), Some(read(2, true)));
}

#[test]
fn what_the_leader_does_not_know_any_more_is_not_delivered() {
    let mut store = Store::new(9);
    store.publish_many(3);
    let mut chain = follow(&store, ChainConfig::default());
    let restored = store.log.clone();
    let lost = store.publish_many(2);
    let ask = asked(receive(&mut chain, &store, &lost[1]));
    store.log = restored;
    let page = store.page(3, 9);
    let ask = chain.on_page(store.now, ask.token, &page).ask.expect("it may lag");
    assert_eq!(ask.question, read(3, true));
    assert_eq!(chain.on_page(store.now, ask.token, &page), checked());
    assert_eq!((chain.is_suspended(), chain.held()), (false, (0, 0)));
}

#[test]
fn a_lost_connection_drops_what_was_held_and_answers_of_its_time() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let entries = store.publish_many(3);
    let ask = asked(receive(&mut chain, &store, &entries[1]));
    let page = store.page(0, 9);
    chain.on_disconnected();
    assert_eq!((chain.is_suspended(), chain.held()), (true, (0, 0)));
    assert_eq!(chain.on_page(store.now, ask.token, &page), ChainOutput::default());
    assert_eq!(receive(&mut chain, &store, &entries[0]), Received::Held);
    store.now = chain.next_timeout();
    assert_eq!(chain.on_timeout(store.now), None);
    let ask = chain.on_reconnected(store.now);
    let ask = chain.on_top(store.now, ask.token, position(3)).ask.expect("the top differs");
    assert_eq!(chain.on_page(store.now, ask.token, &page).deliver, entries);
}

#[test]
fn what_exceeds_the_held_bound_is_read_again() {
    let mut store = Store::new(99);
    let held = Limit { count: 2, bytes: 1_000 };
    let mut chain = follow(&store, ChainConfig { held, ..ChainConfig::default() });
    let entries = store.publish_many(6);
    let ask = asked(receive(&mut chain, &store, &entries[1]));
    let page = store.page(0, 9);
    let more = store.publish_many(4);
    for entry in &more {
        assert_eq!(receive(&mut chain, &store, entry), Received::Held);
        assert!(chain.held().0 <= 2);
    }
    let output = chain.on_page(store.now, ask.token, &page);
    assert_eq!(offsets(&output.deliver), [1, 2, 3, 4, 5, 6, 7]);
    let ask = output.ask.expect("three were not held");
    let page = store.page(7, 9);
    assert_eq!(offsets(&chain.on_page(store.now, ask.token, &page).deliver), [8, 9, 10]);
    assert!(!chain.is_suspended());
}

#[test]
fn a_failed_question_is_asked_again_and_a_late_answer_to_it_is_ignored() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let entries = store.publish_many(2);
    let ask = asked(receive(&mut chain, &store, &entries[1]));
    chain.on_failed(store.now, ask.token);
    store.now = chain.next_timeout();
    let again = chain.on_timeout(store.now).expect("it is time");
    assert_eq!(again.question, ask.question);
    let page = store.page(0, 9);
    assert_eq!(chain.on_page(store.now, ask.token, &page), ChainOutput::default());
    assert_eq!(chain.on_page(store.now, again.token, &page).deliver, entries);
}

#[test]
fn an_unknown_predecessor_is_read_and_proven_by_the_last_entry() {
    let mut store = Store::new(2);
    let mut chain = follow(&store, ChainConfig::default());
    let first = store.publish();
    let _ = receive(&mut chain, &store, &first);
    let second = Entry { previous: None, ..store.publish() };
    let ask = asked(receive(&mut chain, &store, &second));
    let mut page = (*store.page(1, 9)).clone();
    for entry in &mut page.entries {
        entry.previous = None;
    }
    assert_eq!(chain.on_page(store.now, ask.token, &page).deliver, [second]);
}

#[test]
fn a_predecessor_without_a_tag_is_believed_for_its_offset() {
    let mut store = Store::new(9);
    let mut chain = follow(&store, ChainConfig::default());
    let first = store.publish();
    let _ = receive(&mut chain, &store, &first);
    // Offsets that all rooms of the store share.
    let previous = Some(Previous { offset: 1, tag: None });
    let next = Entry { offset: 40, previous, ..store.publish() };
    assert_eq!(receive(&mut chain, &store, &next), Received::Deliver(next.clone()));
    let previous = Some(Previous { offset: 39, tag: None });
    let after_hole = Entry { offset: 50, tag: Tag(9), previous, ..next };
    let _ = asked(receive(&mut chain, &store, &after_hole));
}
