use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::core::{Epoch, Position, Tag};

const ROOM: RoomKey = RoomKey(0);
const OTHER: RoomKey = RoomKey(1);

fn position(offset: u64) -> Position {
    Position { epoch: Epoch(1), offset, tag: Tag(offset) }
}

/// A publication whose payload is its offset.
fn publication(room: RoomKey, offset: u64, size: usize) -> QueuedPublication<u64> {
    let (after, position) = (Some(position(offset - 1)), Some(position(offset)));
    QueuedPublication { room, key: None, after, position, size, payload: offset }
}

fn keyed(key: &str, offset: u64) -> QueuedPublication<u64> {
    QueuedPublication { key: Some(key.into()), ..publication(ROOM, offset, 10) }
}

fn limits(messages: usize) -> OutboxLimits {
    OutboxLimits { bytes: 1000, messages, reply_bytes: 100, max_age: None }
}

fn dropped(count: u64, after: u64, up_to: u64) -> Item<u64> {
    let (after, up_to) = (Some(position(after)), Some(position(up_to)));
    Item::Dropped(Dropped { room: ROOM, count, reason: DropReason::Full, after, up_to })
}

/// Pops everything, and returns publications as their payloads.
fn pop_all(outbox: &mut Outbox<u64>, now: Instant) -> Vec<Result<u64, Item<u64>>> {
    std::iter::from_fn(|| outbox.pop(now))
        .map(|item| match item {
            Item::Publication(publication) => Ok(publication.payload),
            item => Err(item),
        })
        .collect()
}

#[test]
fn the_newest_are_dropped_and_noted_behind_the_others() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(2));
    for offset in 1..=5 {
        let pushed = outbox.push(now, publication(ROOM, offset, 10), DeliveryPolicy::DropNewest);
        assert_eq!(pushed, Pushed::Done);
    }
    assert_eq!(pop_all(&mut outbox, now), [Ok(1), Ok(2), Err(dropped(3, 2, 5))]);
    assert_eq!(outbox.counts().dropped_newest, 3);
}

#[test]
fn the_oldest_are_dropped_and_noted_before_the_others() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(2));
    for offset in 1..=5 {
        let pushed = outbox.push(now, publication(ROOM, offset, 10), DeliveryPolicy::DropOldest);
        assert_eq!(pushed, Pushed::Done);
    }
    assert_eq!(pop_all(&mut outbox, now), [Err(dropped(3, 0, 3)), Ok(4), Ok(5)]);
    assert_eq!(outbox.counts().dropped_oldest, 3);
}

#[test]
fn a_full_outbox_returns_what_is_to_wait_and_says_when_to_disconnect() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(1));
    assert_eq!(outbox.push(now, publication(ROOM, 1, 10), DeliveryPolicy::Wait), Pushed::Done);
    let second = publication(ROOM, 2, 10);
    let pushed = outbox.push(now, second.clone(), DeliveryPolicy::Wait);
    assert_eq!(pushed, Pushed::Full(second.clone()));
    assert_eq!(outbox.push(now, second, DeliveryPolicy::Disconnect), Pushed::Disconnect);
    assert_eq!(outbox.counts().pushed, 2);
}

#[test]
fn a_publication_takes_the_place_of_the_one_with_its_key() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(10));
    for (offset, key) in [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "a")] {
        let _ = outbox.push(now, keyed(key, offset), DeliveryPolicy::LatestByKey);
    }
    let mut positions = Vec::new();
    let items = std::iter::from_fn(|| outbox.pop(now));
    let payloads: Vec<_> = items
        .map(|item| match item {
            Item::Publication(publication) => {
                positions.push(publication.position);
                publication.payload
            }
            item => panic!("{item:?}"),
        })
        .collect();
    assert_eq!(payloads, [5, 2, 4]);
    // A client that resumed after 5 before it had 2 and 4 would never see them.
    assert_eq!(positions, [None, None, Some(position(5))]);
    assert_eq!(outbox.counts().superseded, 2);
    assert!(outbox.rooms.is_empty());
}

#[test]
fn keys_that_are_updated_faster_than_they_are_read_all_have_their_turn() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(10));
    let mut seen = HashMap::new();
    for tick in 0..8 {
        for key in 0..4 {
            let offset = tick * 4 + key + 1;
            let _ = outbox.push(now, keyed(&key.to_string(), offset), DeliveryPolicy::LatestByKey);
        }
        for _ in 0..2 {
            let Some(Item::Publication(publication)) = outbox.pop(now) else { panic!() };
            *seen.entry(publication.key).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [4; 4]);
}

#[test]
fn a_key_leaves_at_once_and_then_once_an_interval() {
    let start = Instant::now();
    let interval = Duration::from_millis(100);
    let policy = DeliveryPolicy::Conflate { interval };
    let mut outbox = Outbox::new(limits(10));
    let _ = outbox.push(start, keyed("a", 1), policy);
    assert_eq!(pop_all(&mut outbox, start), [Ok(1)]);
    for offset in 2..=4 {
        let _ = outbox.push(start, keyed("a", offset), policy);
    }
    assert_eq!(pop_all(&mut outbox, start), []);
    assert_eq!(outbox.len(), 1);
    assert!(!outbox.is_empty());
    // A reply does not wait for the interval.
    outbox.push_reply(7, 1).expect("within its bound");
    assert_eq!(pop_all(&mut outbox, start), [Err(Item::Reply(7))]);
    assert_eq!(outbox.next_timeout(), Some(start + interval));
    outbox.on_timeout(start + interval);
    assert_eq!(pop_all(&mut outbox, start + interval), [Ok(4)]);
    outbox.on_timeout(start + 2 * interval);
    assert_eq!(outbox.next_timeout(), None);
    assert!(outbox.rooms.is_empty());
    let _ = outbox.push(start + 3 * interval, keyed("a", 5), policy);
    assert_eq!(pop_all(&mut outbox, start + 3 * interval), [Ok(5)]);
}

#[test]
fn a_room_that_catches_up_is_skipped_until_everything_was_written() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(3));
    let _ = outbox.push(now, publication(ROOM, 1, 10), DeliveryPolicy::CatchUp);
    assert_eq!(pop_all(&mut outbox, now), [Ok(1)]);
    for offset in 2..=6 {
        let _ = outbox.push(now, publication(ROOM, offset, 10), DeliveryPolicy::CatchUp);
    }
    let _ = outbox.push(now, publication(OTHER, 1, 10), DeliveryPolicy::CatchUp);
    let resume = Item::Resume { room: ROOM, after: position(1) };
    assert_eq!(pop_all(&mut outbox, now), [Ok(1), Err(resume)]);
    let _ = outbox.push(now, publication(ROOM, 7, 10), DeliveryPolicy::CatchUp);
    assert_eq!(pop_all(&mut outbox, now), [Ok(7)]);
    assert_eq!(outbox.counts().skipped, 5);
}

#[test]
fn publications_that_waited_too_long_are_dropped() {
    let start = Instant::now();
    let max_age = Some(Duration::from_secs(1));
    let mut outbox = Outbox::new(OutboxLimits { max_age, ..limits(10) });
    for (offset, at) in [(1, 0), (2, 500), (3, 1500)] {
        let at = start + Duration::from_millis(at);
        let _ = outbox.push(at, publication(ROOM, offset, 10), DeliveryPolicy::DropOldest);
    }
    let (after, up_to) = (Some(position(0)), Some(position(2)));
    let expired = Dropped { room: ROOM, count: 2, reason: DropReason::Expired, after, up_to };
    let now = start + Duration::from_secs(2);
    assert_eq!(pop_all(&mut outbox, now), [Err(Item::Dropped(expired)), Ok(3)]);
}

#[test]
fn replies_keep_their_place_and_have_a_bound_of_their_own() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(1));
    let _ = outbox.push(now, publication(ROOM, 1, 999), DeliveryPolicy::DropNewest);
    outbox.push_reply(50, 60).expect("within its bound");
    let _ = outbox.push(now, publication(ROOM, 2, 999), DeliveryPolicy::DropNewest);
    assert_eq!(outbox.push_reply(51, 60), Err(ReplyOverflow));
    let expected = [Ok(1), Err(Item::Reply(50)), Err(dropped(1, 1, 2))];
    assert_eq!(pop_all(&mut outbox, now), expected);
    // One reply of any length fits into an outbox without replies.
    assert_eq!(outbox.push_reply(52, 1000), Ok(()));
}

#[test]
fn a_busy_room_makes_space_for_a_quiet_one() {
    let now = Instant::now();
    let mut outbox = Outbox::new(limits(100));
    for offset in 1..=100 {
        let _ = outbox.push(now, publication(ROOM, offset, 10), DeliveryPolicy::DropNewest);
    }
    let _ = outbox.push(now, publication(OTHER, 1, 10), DeliveryPolicy::DropNewest);
    let items = pop_all(&mut outbox, now);
    assert_eq!(items[98..], [Ok(99), Err(dropped(1, 99, 100)), Ok(1)]);
}

#[test]
fn nothing_is_kept_of_a_room_that_the_session_left() {
    let now = Instant::now();
    let interval = Duration::from_secs(1);
    let mut outbox = Outbox::new(limits(4));
    for round in 0..1000 {
        let policy = DeliveryPolicy::Conflate { interval };
        let _ = outbox.push(now, keyed("a", 2 * round + 1), policy);
        let _ = outbox.push(now, publication(OTHER, 2 * round + 2, 10), DeliveryPolicy::CatchUp);
        outbox.remove_room(ROOM);
        outbox.remove_room(OTHER);
    }
    assert!(outbox.order.len() <= 2 * FEW_STALE + 2);
    assert!(outbox.releases.is_empty());
    assert_eq!(outbox.counts().skipped, 2000);
    assert!(outbox.is_empty());
    assert_eq!(outbox.pop(now), None);
}

#[derive(Clone, Debug)]
enum Step {
    Push { room: u32, key: u8, size: usize },
    Reply { size: usize },
    Pop,
    Advance { milliseconds: u64 },
    Leave { room: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6u32, 0..4u8, 0..200usize).prop_map(|(room, key, size)| Step::Push { room, key, size }),
        1 => (1..40usize).prop_map(|size| Step::Reply { size }),
        4 => Just(Step::Pop),
        1 => (1..60u64).prop_map(|milliseconds| Step::Advance { milliseconds }),
        1 => (0..6u32).prop_map(|room| Step::Leave { room }),
    ]
}

/// The policy of each room of the random runs.
fn policy_of(room: u32) -> DeliveryPolicy {
    match room {
        0 => DeliveryPolicy::DropNewest,
        1 => DeliveryPolicy::DropOldest,
        2 => DeliveryPolicy::LatestByKey,
        3 => DeliveryPolicy::CatchUp,
        4 => DeliveryPolicy::Conflate { interval: Duration::from_millis(30) },
        _ => DeliveryPolicy::Wait,
    }
}

/// The client's view of a run: the last offset of each room that it knows of.
#[derive(Debug, Default)]
struct Client {
    seen: HashMap<u32, u64>,
    /// The newest offset of each key that it received.
    keys: HashMap<(u32, Option<Arc<str>>), u64>,
    replies: u64,
}

impl Client {
    fn receive(&mut self, item: Item<u64>, published: &HashMap<u32, u64>) {
        match item {
            Item::Reply(number) => {
                assert_eq!(number, self.replies, "replies keep their order, and none is lost");
                self.replies += 1;
            }
            Item::Publication(publication) => {
                let room = publication.room.0;
                if policy_of(room).is_by_key() {
                    let key = (room, publication.key);
                    let newest = self.keys.insert(key, publication.payload);
                    assert!(newest < Some(publication.payload), "a key never goes back");
                    let seen = self.seen.entry(room).or_default();
                    assert!(publication.payload > *seen, "a position covers all before it");
                    if let Some(position) = publication.position {
                        *seen = position.offset;
                    }
                } else {
                    self.advance(room, publication.payload - 1, publication.payload);
                }
            }
            Item::Dropped(dropped) if !policy_of(dropped.room.0).is_by_key() => {
                let (Some(after), Some(up_to)) = (dropped.after, dropped.up_to) else { panic!() };
                assert_eq!(up_to.offset - after.offset, dropped.count, "each drop is counted");
                self.advance(dropped.room.0, after.offset, up_to.offset);
            }
            Item::Dropped(_) => {}
            // The client reads all of the history.
            Item::Resume { room, after } => self.advance(room.0, after.offset, published[&room.0]),
        }
    }

    /// Nothing is missing between two items of a room that was not told.
    fn advance(&mut self, room: u32, from: u64, to: u64) {
        let seen = self.seen.insert(room, to).unwrap_or(0);
        assert_eq!(seen, from, "room {room}");
    }
}

proptest! {
    #[test]
    fn every_publication_is_delivered_or_accounted_for(
        steps in prop::collection::vec(step(), 1..400),
        messages in 1..12usize,
        max_age in prop::option::of(10..100u64),
    ) {
        let limits = OutboxLimits {
            bytes: 600,
            messages,
            reply_bytes: 100,
            max_age: max_age.map(Duration::from_millis),
        };
        let mut now = Instant::now();
        let mut outbox = Outbox::new(limits);
        let mut published: HashMap<u32, u64> = HashMap::new();
        let mut client = Client::default();
        let mut replies = 0;
        for step in steps {
            match step {
                Step::Push { room, key, size } => {
                    let offset = published.get(&room).map_or(1, |offset| offset + 1);
                    let key = (key > 0).then(|| key.to_string().into());
                    let publication =
                        QueuedPublication { key, ..publication(RoomKey(room), offset, size) };
                    match outbox.push(now, publication, policy_of(room)) {
                        Pushed::Done => _ = published.insert(room, offset),
                        Pushed::Full(returned) => {
                            prop_assert_eq!(policy_of(room), DeliveryPolicy::Wait);
                            prop_assert_eq!(returned.payload, offset);
                        }
                        Pushed::Disconnect => prop_assert!(false, "no room has this policy"),
                    }
                }
                Step::Reply { size } => {
                    if outbox.push_reply(replies, size).is_ok() {
                        replies += 1;
                    }
                }
                Step::Pop => {
                    if let Some(item) = outbox.pop(now) {
                        client.receive(item, &published);
                    }
                }
                Step::Advance { milliseconds } => {
                    now += Duration::from_millis(milliseconds);
                    outbox.on_timeout(now);
                }
                Step::Leave { room } => {
                    outbox.remove_room(RoomKey(room));
                    // The client joins again, at the end.
                    let offset = published.get(&room).copied().unwrap_or(0);
                    client.seen.insert(room, offset);
                }
            }
            let counts = outbox.counts();
            let accounted = counts.popped + counts.dropped_newest + counts.dropped_oldest
                + counts.expired + counts.superseded + counts.skipped + outbox.messages as u64;
            prop_assert_eq!(counts.pushed, accounted);
            prop_assert!(outbox.messages <= messages);
            prop_assert!(outbox.bytes <= limits.bytes || outbox.messages == 1);
            prop_assert!(outbox.order.len() <= 4 * (messages + 6) + 2 * FEW_STALE + 100);
            let entries: usize = outbox.rooms.values().map(RoomQueue::entries).sum();
            prop_assert_eq!(outbox.order.len(), entries + outbox.replies.len() + outbox.stale);
            let bytes: usize = outbox.rooms.values().map(RoomQueue::bytes).sum();
            prop_assert_eq!(bytes, outbox.bytes);
        }
        // After the last interval everything can be popped.
        now += Duration::from_secs(1);
        outbox.on_timeout(now);
        while let Some(item) = outbox.pop(now) {
            client.receive(item, &published);
        }
        outbox.on_timeout(now + Duration::from_secs(1));
        while let Some(item) = outbox.pop(now) {
            client.receive(item, &published);
        }
        prop_assert!(outbox.is_empty());
        prop_assert!(outbox.rooms.is_empty() && outbox.releases.is_empty());
        prop_assert_eq!((outbox.len(), outbox.bytes(), outbox.stale), (0, 0, 0));
        prop_assert_eq!(client.replies, replies);
        for room in [0, 1, 3, 5] {
            prop_assert_eq!(client.seen.get(&room).unwrap_or(&0), published.get(&room).unwrap_or(&0));
        }
    }
}
