use super::*;
use crate::core::continuity::{CatchUp, CatchUpConfig, CatchUpOutput, Read};
use crate::core::history::{Gap, GapReason};

const BUDGET: usize = 1_000;

fn read(after: u64, leader: bool) -> CatchUpOutput {
    CatchUpOutput::Read(Read { after: position(after), leader })
}

fn in_step(offset: u64, recovered: bool) -> CatchUpOutput {
    CatchUpOutput::InStep { position: position(offset), recovered }
}

fn delivered(output: CatchUpOutput) -> Vec<u64> {
    match output {
        CatchUpOutput::Deliver(entries) => offsets(&entries),
        other => panic!("{other:?}"),
    }
}

fn start(from: u64, live: u64) -> CatchUp {
    CatchUp::new(position(from), position(live), CatchUpConfig::default())
}

#[test]
fn a_session_at_the_position_of_the_chain_needs_no_read() {
    let mut catch_up = start(3, 3);
    assert_eq!(catch_up.poll(BUDGET), in_step(3, true));
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
}

#[test]
fn what_was_missed_comes_before_what_was_held() {
    let mut store = Store::new(99);
    store.publish_many(5);
    let mut catch_up = start(2, 5);
    assert_eq!(catch_up.poll(BUDGET), read(2, false));
    let page = store.page(2, 9);
    for entry in store.publish_many(2) {
        catch_up.on_live(EPOCH, &entry);
    }
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
    catch_up.on_page(&page);
    assert_eq!(delivered(catch_up.poll(BUDGET)), [3, 4, 5]);
    assert_eq!(delivered(catch_up.poll(BUDGET)), [6, 7]);
    assert_eq!(catch_up.poll(BUDGET), in_step(7, true));
}

#[test]
fn what_was_held_and_read_is_delivered_once() {
    let mut store = Store::new(99);
    store.publish_many(3);
    let mut catch_up = start(1, 3);
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
    for entry in store.publish_many(2) {
        catch_up.on_live(EPOCH, &entry);
    }
    catch_up.on_page(&store.page(1, 9));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [2, 3, 4, 5]);
    assert_eq!(catch_up.poll(BUDGET), in_step(5, true));
}

#[test]
fn chunks_obey_the_budget_and_a_session_without_budget_waits() {
    let mut store = Store::new(99);
    store.publish_many(7);
    let config = CatchUpConfig { chunk: 3, ..CatchUpConfig::default() };
    let mut catch_up = CatchUp::new(position(0), position(7), config);
    assert_eq!(catch_up.poll(BUDGET), read(0, false));
    catch_up.on_page(&store.page(0, 9));
    assert_eq!(catch_up.poll(0), CatchUpOutput::Wait);
    // Publications have 10 bytes.
    assert_eq!(delivered(catch_up.poll(1)), [1]);
    assert_eq!(delivered(catch_up.poll(25)), [2, 3]);
    assert_eq!(delivered(catch_up.poll(BUDGET)), [4, 5, 6]);
    assert_eq!(delivered(catch_up.poll(BUDGET)), [7]);
    assert_eq!(catch_up.poll(0), in_step(7, true));
}

#[test]
fn pages_follow_each_other() {
    let mut store = Store::new(99);
    store.publish_many(5);
    let mut catch_up = start(0, 5);
    for (start, expected) in [(0, vec![1, 2]), (2, vec![3, 4]), (4, vec![5])] {
        assert_eq!(catch_up.poll(BUDGET), read(start, false));
        catch_up.on_page(&store.page(start, if start == 0 { 2 } else { 3 }));
        assert_eq!(delivered(catch_up.poll(BUDGET)), expected);
    }
    assert_eq!(catch_up.poll(BUDGET), in_step(5, true));
}

#[test]
fn a_page_below_the_chain_is_read_again_from_the_leader() {
    let mut store = Store::new(99);
    store.publish_many(2);
    let lagging = store.page(1, 9);
    store.publish_many(2);
    let mut catch_up = start(1, 4);
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
    catch_up.on_page(&lagging);
    assert_eq!(delivered(catch_up.poll(BUDGET)), [2]);
    assert_eq!(catch_up.poll(BUDGET), read(2, true));
    catch_up.on_page(&store.page(2, 9));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [3, 4]);
    assert_eq!(catch_up.poll(BUDGET), in_step(4, true));
}

#[test]
fn a_session_does_not_follow_a_chain_to_what_the_leader_lost() {
    let mut store = Store::new(99);
    store.publish_many(2);
    let mut catch_up = start(1, 4);
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
    catch_up.on_page(&store.page(1, 9));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [2]);
    assert_eq!(catch_up.poll(BUDGET), read(2, true));
    catch_up.on_page(&store.page(2, 9));
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
    assert!(catch_up.is_waiting_for_chain());
    // The chain notices, and continues where the session is.
    catch_up.on_gap(position(2));
    assert_eq!(catch_up.poll(BUDGET), in_step(2, true));
}

#[test]
fn a_gap_is_believed_when_the_leader_tells_it() {
    let mut store = Store::new(2);
    store.publish_many(5);
    let mut catch_up = start(1, 5);
    for leader in [false, true] {
        assert_eq!(catch_up.poll(BUDGET), read(1, leader));
        catch_up.on_page(&store.page(1, 9));
    }
    catch_up.on_live(EPOCH, &store.publish());
    let gap = Gap { position: position(5), reason: GapReason::Trimmed };
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Gap(gap));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [6]);
    assert_eq!(catch_up.poll(BUDGET), in_step(6, false));
}

#[test]
fn more_missed_than_the_limit_is_a_gap() {
    let mut store = Store::new(99);
    store.publish_many(6);
    for (limit, page_size) in [(4, 9), (4, 2)] {
        let config = CatchUpConfig { limit, ..CatchUpConfig::default() };
        let mut catch_up = CatchUp::new(position(1), position(6), config);
        assert_eq!(catch_up.poll(BUDGET), read(1, false));
        catch_up.on_page(&store.page(1, page_size));
        let gap = Gap { position: position(6), reason: GapReason::Limit };
        assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Gap(gap));
    }
}

#[test]
fn a_session_that_is_ahead_of_the_chain_skips_what_it_has() {
    let mut store = Store::new(99);
    let entries = store.publish_many(4);
    let mut catch_up = start(3, 1);
    assert_eq!(catch_up.poll(BUDGET), read(3, false));
    catch_up.on_page(&store.page(3, 9));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [4]);
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
    assert!(catch_up.is_waiting_for_chain());
    for entry in &entries[1..] {
        assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
        catch_up.on_live(EPOCH, entry);
    }
    catch_up.on_live(EPOCH, &store.publish());
    assert_eq!(delivered(catch_up.poll(BUDGET)), [5]);
    assert_eq!(catch_up.poll(BUDGET), in_step(5, true));
}

#[test]
fn a_session_that_waits_for_the_chain_in_vain_asks_again() {
    let mut store = Store::new(99);
    store.publish_many(2);
    let restored = store.log.clone();
    store.publish();
    let mut catch_up = start(3, 2);
    assert_eq!(catch_up.poll(BUDGET), read(3, false));
    catch_up.on_page(&store.page(3, 9));
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
    // The store loses what the session has and the chain has not, and the chain sees no change.
    store.log = restored;
    catch_up.on_checked();
    assert_eq!(catch_up.poll(BUDGET), read(3, true));
    catch_up.on_page(&store.page(3, 9));
    let gap = Gap { position: position(2), reason: GapReason::RolledBack };
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Gap(gap));
    assert_eq!(catch_up.poll(BUDGET), in_step(2, false));
}

#[test]
fn a_trimmed_position_ahead_of_the_chain_is_proven_by_the_chain() {
    let mut store = Store::new(1);
    let entries = store.publish_many(5);
    let mut catch_up = start(3, 2);
    for leader in [false, true] {
        assert_eq!(catch_up.poll(BUDGET), read(3, leader));
        catch_up.on_page(&store.page(3, 9));
    }
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
    for entry in &entries[2..] {
        catch_up.on_live(EPOCH, entry);
    }
    assert_eq!(delivered(catch_up.poll(BUDGET)), [4, 5]);
    assert_eq!(catch_up.poll(BUDGET), in_step(5, true));
}

#[test]
fn a_fork_that_the_chain_passes_is_a_gap() {
    let mut store = Store::new(99);
    let entries = store.publish_many(3);
    let mut catch_up = start(3, 1);
    assert_eq!(catch_up.poll(BUDGET), read(3, false));
    catch_up.on_page(&store.page(3, 9));
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
    catch_up.on_live(EPOCH, &entries[1]);
    let other = Entry { tag: Tag(9), ..entries[2].clone() };
    catch_up.on_live(EPOCH, &other);
    assert_eq!(catch_up.poll(BUDGET), read(3, true));
    let mut page = (*store.page(3, 9)).clone();
    page.top.tag = Tag(9);
    catch_up.on_page(&Arc::new(page));
    let gap = Gap { position: other.position(EPOCH), reason: GapReason::RolledBack };
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Gap(gap));
}

#[test]
fn after_a_rollback_a_chain_that_is_behind_does_not_repeat_what_the_session_saw() {
    let mut store = Store::new(99);
    let entries = store.publish_many(4);
    // The session is at offset 6, which was lost; the chain comes from offset 2.
    let mut catch_up = start(6, 2);
    for leader in [false, true] {
        assert_eq!(catch_up.poll(BUDGET), read(6, leader));
        catch_up.on_page(&store.page(6, 9));
    }
    let gap = Gap { position: position(4), reason: GapReason::RolledBack };
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Gap(gap));
    for entry in &entries[2..] {
        assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Wait);
        catch_up.on_live(EPOCH, entry);
    }
    assert_eq!(catch_up.poll(BUDGET), in_step(4, false));
}

#[test]
fn held_publications_beyond_the_bound_are_read_again() {
    let mut store = Store::new(99);
    store.publish_many(2);
    let held = Limit { count: 2, bytes: 1_000 };
    let config = CatchUpConfig { held, ..CatchUpConfig::default() };
    let mut catch_up = CatchUp::new(position(1), position(2), config);
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
    let page = store.page(1, 9);
    for entry in store.publish_many(3) {
        catch_up.on_live(EPOCH, &entry);
        assert!(catch_up.held().0 <= 2);
    }
    catch_up.on_page(&page);
    assert_eq!(delivered(catch_up.poll(BUDGET)), [2]);
    assert_eq!(catch_up.poll(BUDGET), read(2, true));
    catch_up.on_page(&store.page(2, 9));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [3, 4, 5]);
    assert_eq!(catch_up.poll(BUDGET), in_step(5, true));
}

#[test]
fn a_gap_of_the_chain_is_none_for_a_session_that_the_history_proves() {
    let mut store = Store::new(99);
    store.publish_many(3);
    let mut catch_up = start(1, 3);
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
    catch_up.on_page(&store.page(1, 9));
    store.publish_many(2);
    catch_up.on_gap(position(5));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [2, 3]);
    assert_eq!(catch_up.poll(BUDGET), read(3, true));
    catch_up.on_page(&store.page(3, 9));
    assert_eq!(delivered(catch_up.poll(BUDGET)), [4, 5]);
    assert_eq!(catch_up.poll(BUDGET), in_step(5, true));
}

#[test]
fn a_chain_of_another_epoch_is_a_gap() {
    let mut store = Store::new(99);
    store.publish_many(3);
    let mut catch_up = start(1, 3);
    let top = store.log.replace_epoch(EPOCH, Epoch(8));
    catch_up.on_gap(top);
    for leader in [false, true] {
        assert_eq!(catch_up.poll(BUDGET), read(1, leader));
        catch_up.on_page(&store.page(1, 9));
    }
    let gap = Gap { position: top, reason: GapReason::Epoch };
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::Gap(gap));
    assert_eq!(catch_up.poll(BUDGET), CatchUpOutput::InStep { position: top, recovered: false });
}

#[test]
fn a_failed_read_is_asked_again() {
    let mut catch_up = start(1, 3);
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
    catch_up.on_failed();
    assert_eq!(catch_up.poll(BUDGET), read(1, false));
}
