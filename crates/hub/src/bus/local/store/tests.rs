use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sockeye::{Message, Utf8Bytes};

use super::*;
use crate::core::PublicationId;
use crate::core::history::{Entry, GapReason, Limit};

const ALL: Range = Range::forwards(Limit::NONE);

fn store() -> Store {
    Store::new(LocalLimits::default())
}

fn room(number: usize) -> RoomName {
    RoomName::new(&format!("room{number}")).unwrap()
}

fn append(store: &mut Store, now: Instant, room: &RoomName) -> Position {
    append_text(store, now, room, "hello")
}

fn append_text(store: &mut Store, now: Instant, room: &RoomName, text: &str) -> Position {
    store.append(now, room, &Publication::new(text), Retention::default()).position
}

fn subscribe(store: &mut Store, now: Instant, room: &RoomName) -> Position {
    store.subscribe(now, room, Retention::default())
}

/// Returns the number of publications after a position.
fn after(
    store: &mut Store,
    now: Instant,
    room: &RoomName,
    position: &Position,
) -> Result<usize, GapReason> {
    store.read(now, room, Retention::default(), ALL).after(position).map(<[Entry]>::len)
}

/// Checks the sums and the lists against the rooms.
fn check(store: &Store) {
    let sizes = store.rooms.iter().map(|room| {
        assert_eq!(room.size, ROOM_SIZE + room.name.as_str().len() + room.log.memory_size());
        room.size
    });
    assert_eq!(store.bytes, sizes.sum::<usize>());
    assert_eq!(store.slots.len(), store.rooms.len());
    for (slot, room) in store.rooms.iter().enumerate() {
        let slot = u32::try_from(slot).unwrap();
        assert_eq!(store.slots.get(&room.name), Some(&slot));
        assert_eq!(store.unsubscribed.contains(slot), !room.is_subscribed);
        let is_evictable = !room.is_subscribed || !room.log.is_cleared();
        assert_eq!(store.evictable.contains(slot), is_evictable);
    }
}

#[test]
fn reading_a_room_without_history_stores_nothing_and_its_position_counts() {
    let (mut store, now) = (store(), Instant::now());
    let start = store.top(&room(0));
    for number in 0..100 {
        let page = store.read(now, &room(number), Retention::default(), ALL);
        assert_eq!(page.top, store.top(&room(number)));
    }
    assert_eq!(store.metrics(), LocalMetrics::default());
    assert_ne!(start.epoch, store.top(&room(1)).epoch);
    append(&mut store, now, &room(0));
    assert_eq!(after(&mut store, now, &room(0), &start), Ok(1));
}

#[test]
fn only_subscribed_rooms_without_publications_are_kept() {
    let (mut store, now) = (store(), Instant::now());
    let start = subscribe(&mut store, now, &room(0));
    // A history that is removed replaces the epochs of rooms without one.
    append(&mut store, now, &room(1));
    let later = now + Log::KEPT_UNUSED;
    for number in 2..1_000 {
        subscribe(&mut store, later, &room(number));
        store.unsubscribe(&room(number));
    }
    check(&store);
    assert_eq!(store.rooms.len(), 1);
    assert!(store.generation > 0);
    assert_eq!(store.top(&room(0)), start);
    append(&mut store, later, &room(0));
    assert_eq!(after(&mut store, later, &room(0), &start), Ok(1));
}

#[test]
fn the_position_before_a_removed_history_is_a_gap() {
    let (mut store, now) = (store(), Instant::now());
    let start = store.top(&room(0));
    append(&mut store, now, &room(0));
    let later = now + Log::KEPT_UNUSED;
    append(&mut store, later, &room(1));
    assert_eq!(after(&mut store, later, &room(0), &start), Err(GapReason::Epoch));
}

#[test]
fn an_epoch_is_replaced_with_and_without_a_history() {
    let (mut store, now) = (store(), Instant::now());
    for is_kept in [false, true] {
        let start = store.top(&room(0));
        if is_kept {
            subscribe(&mut store, now, &room(0));
        }
        let replaced = store.replace_epoch(&room(0), start.epoch);
        assert_ne!(replaced.epoch, start.epoch);
        assert_eq!(store.replace_epoch(&room(0), start.epoch), replaced);
        assert_eq!(store.top(&room(0)), replaced);
    }
}

#[test]
fn rooms_that_a_client_makes_without_end_stay_within_the_limits() {
    let limits = LocalLimits { bytes: 100_000, rooms: 50 };
    let (mut store, now) = (Store::new(limits), Instant::now());
    let subscribed = subscribe(&mut store, now, &room(0));
    let text = "x".repeat(3_000);
    for number in 1..1_000 {
        append_text(&mut store, now, &room(number), &text[..number % 2 * 2_900 + 100]);
        let LocalMetrics { rooms, bytes, .. } = store.metrics();
        assert!(rooms <= limits.rooms && bytes <= limits.bytes, "{rooms} rooms, {bytes} bytes");
    }
    check(&store);
    assert!(store.evictions > 900);
    // The memory of what was removed is given back.
    assert!(store.rooms.capacity() < 400 && store.slots.capacity() < 400);
    assert_eq!(after(&mut store, now, &room(0), &subscribed), Ok(0));
    // The last rooms are those that are kept.
    assert!(store.slots.contains_key(&room(999)) && !store.slots.contains_key(&room(900)));
}

#[test]
fn an_evicted_history_is_a_gap_to_whoever_may_have_missed_something() {
    let limits = LocalLimits { rooms: 2, ..LocalLimits::default() };
    let (mut store, now) = (Store::new(limits), Instant::now());
    let start = store.top(&room(0));
    let first = append(&mut store, now, &room(0));
    append(&mut store, now, &room(1));
    append(&mut store, now, &room(2));
    assert!(!store.slots.contains_key(&room(0)));
    for position in [start, first] {
        assert_eq!(after(&mut store, now, &room(0), &position), Err(GapReason::Epoch));
    }
    append(&mut store, now, &room(0));
    for position in [start, first] {
        assert_eq!(after(&mut store, now, &room(0), &position), Err(GapReason::Epoch));
    }
}

#[test]
fn a_room_with_subscribers_keeps_its_position_when_its_history_is_evicted() {
    let limits = LocalLimits { bytes: 20_000, ..LocalLimits::default() };
    let (mut store, now) = (Store::new(limits), Instant::now());
    subscribe(&mut store, now, &room(0));
    let missed = append(&mut store, now, &room(0));
    let seen = append_text(&mut store, now, &room(0), &"x".repeat(10_000));
    assert_eq!(after(&mut store, now, &room(0), &missed), Ok(1));
    append_text(&mut store, now, &room(1), &"x".repeat(10_000));
    check(&store);
    assert_eq!(after(&mut store, now, &room(0), &missed), Err(GapReason::Trimmed));
    assert_eq!(after(&mut store, now, &room(0), &seen), Ok(0));
    append(&mut store, now, &room(0));
    assert_eq!(after(&mut store, now, &room(0), &seen), Ok(1));
}

#[test]
fn the_history_that_was_read_last_is_evicted_last() {
    let limits = LocalLimits { rooms: 3, ..LocalLimits::default() };
    let (mut store, now) = (Store::new(limits), Instant::now());
    let first = append(&mut store, now, &room(0));
    append(&mut store, now, &room(1));
    append(&mut store, now, &room(2));
    store.read(now, &room(0), Retention::default(), ALL);
    append(&mut store, now, &room(3));
    assert_eq!(after(&mut store, now, &room(0), &first), Ok(0));
    assert!(!store.slots.contains_key(&room(1)));
}

#[test]
fn a_publication_larger_than_the_limit_is_delivered_and_not_kept() {
    let limits = LocalLimits { bytes: 5_000, ..LocalLimits::default() };
    let (mut store, now) = (Store::new(limits), Instant::now());
    let start = subscribe(&mut store, now, &room(0));
    let large = Publication::new("x".repeat(10_000));
    assert!(store.append(now, &room(0), &large, Retention::default()).entry.is_some());
    assert!(store.metrics().bytes <= limits.bytes);
    assert_eq!(after(&mut store, now, &room(0), &start), Err(GapReason::Trimmed));
}

#[test]
fn publications_of_rooms_nobody_asks_for_are_released_at_their_age() {
    let (mut store, now) = (store(), Instant::now());
    for number in 0..100 {
        let mut publication = Publication::new("hello");
        publication.id = Some(PublicationId::new("id"));
        store.append(now, &room(number), &publication, Retention::default());
    }
    let full = store.metrics().bytes;
    let later = now + Retention::default().age;
    store.sweep(later, 100);
    check(&store);
    assert!(store.metrics().bytes < full - 100 * PublicationId::MAX_LENGTH);
    assert!(store.rooms.iter().all(|room| room.log.is_cleared()));
    assert_eq!(store.metrics().rooms, 100, "positions are kept for longer");
    store.sweep(later + Log::KEPT_UNUSED, 100);
    assert_eq!((store.metrics().rooms, store.metrics().bytes), (0, 0));
    assert!(store.rooms.capacity() <= 8 && store.slots.capacity() <= 8);
}

#[test]
fn a_history_does_not_keep_the_buffer_that_a_message_was_received_in() {
    let (mut store, now) = (store(), Instant::now());
    let buffer = Bytes::from(vec![b'x'; 64 * 1024]);
    let binary = Message::Binary(buffer.slice(..10));
    let text = Message::Text(Utf8Bytes::try_from(buffer.slice(10..20)).unwrap());
    for message in [binary, text] {
        let publication = Publication::new(message.clone());
        let entry = store.append(now, &room(0), &publication, Retention::default()).entry;
        assert_eq!(entry.unwrap().publication.message, message);
    }
    // The store has no reference to the buffer.
    assert!(buffer.is_unique());
}

#[derive(Clone, Debug)]
enum Step {
    Append { room: usize, size: usize },
    Subscribe(usize),
    Unsubscribe(usize),
    Read(usize),
    Remove(usize),
    Sweep { rooms: usize, wait: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..12, 0_usize..3_000).prop_map(|(room, size)| Step::Append { room, size }),
        1 => (0_usize..12).prop_map(Step::Subscribe),
        1 => (0_usize..12).prop_map(Step::Unsubscribe),
        1 => (0_usize..12).prop_map(Step::Read),
        1 => (0_usize..12).prop_map(Step::Remove),
        1 => (0_usize..6, 0_u64..400).prop_map(|(rooms, wait)| Step::Sweep { rooms, wait }),
    ]
}

proptest! {
    #[test]
    fn no_eviction_is_silent(
        steps in prop::collection::vec(step(), 0..150),
        rooms in 1_usize..10,
        bytes in 2_000_usize..30_000,
    ) {
        let limits = LocalLimits { bytes, rooms };
        let (mut store, mut now) = (Store::new(limits), Instant::now());
        // All positions of each room, with the number of publications before each.
        let mut positions: Vec<Vec<(Position, usize)>> =
            (0..12).map(|number| vec![(store.top(&room(number)), 0)]).collect();
        let mut published = [0; 12];
        for step in steps {
            let mut seen = None;
            match step {
                Step::Append { room: number, size } => {
                    let text = "x".repeat(size);
                    published[number] += 1;
                    let position = append_text(&mut store, now, &room(number), &text);
                    seen = Some((number, position));
                }
                Step::Subscribe(number) => {
                    let position = subscribe(&mut store, now, &room(number));
                    seen = Some((number, position));
                }
                Step::Unsubscribe(number) => store.unsubscribe(&room(number)),
                Step::Read(number) => {
                    let page = store.read(now, &room(number), Retention::default(), ALL);
                    seen = Some((number, page.top));
                }
                Step::Remove(number) => store.remove(&room(number)),
                Step::Sweep { rooms, wait } => {
                    now += Duration::from_secs(wait * 3_600);
                    store.sweep(now, rooms);
                }
            }
            check(&store);
            let subscribed = store.rooms.iter().filter(|room| room.is_subscribed).count();
            let metrics = store.metrics();
            prop_assert!(metrics.rooms <= limits.rooms.max(subscribed));
            prop_assert!(metrics.bytes <= limits.bytes.max(subscribed * (ROOM_SIZE + 10)));
            if let Some((number, position)) = seen {
                positions[number].push((position, published[number]));
            }
            for (number, positions) in positions.iter().enumerate() {
                for (position, before) in positions {
                    let found = after(&mut store, now, &room(number), position);
                    if let Ok(found) = found {
                        prop_assert_eq!(found, published[number] - before);
                    }
                }
            }
        }
    }
}
