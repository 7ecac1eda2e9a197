//! The memory and time of `Topics`: 200,000 rooms with a million memberships, the largest room, the
//! member of the most rooms, and filters.
//!
//! ```text
//! cargo bench -p sockeye-hub --bench topics
//! ```

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_hub::core::filter::{Condition, Filter};
use sockeye_hub::core::topics::{Limits, MemberKey, Topics};
use sockeye_hub::core::{RoomKey, RoomName};

use support::{CpuTime, Random, allocated, per, print};

const ROOMS: u32 = 200_000;
const MEMBERS: u32 = 100_000;
const MEMBERSHIPS: u32 = 1_000_000;

fn main() {
    memory();
    time();
    large_room();
    member_of_many_rooms();
    filters();
}

fn memory() {
    println!("memory, with malloc's header of 8 bytes and its granularity of 16");
    let mut random = Random(1);
    let mut topics = topics();
    let before = allocated();
    for room in 0..ROOMS {
        join(&mut topics, random.below(MEMBERS), room);
    }
    let rooms = allocated() - before;
    while topics.counts().memberships < MEMBERSHIPS as usize {
        join(&mut topics, random.below(MEMBERS), random.below(ROOMS));
    }
    let all = allocated() - before;
    let further = f64::from(MEMBERSHIPS - ROOMS);
    print("a room with one membership, and its member", rooms / f64::from(ROOMS), "B");
    print("each further membership", (all - rooms) / further, "B");
    print("all, for each membership", all / f64::from(MEMBERSHIPS), "B");
    for member in 0..MEMBERS {
        topics.leave_all(MemberKey(member));
    }
    print("what remains when all have left", (allocated() - before) / 1e6, "MB");
}

fn time() {
    println!("time, at {ROOMS} rooms and {MEMBERSHIPS} memberships, in random order");
    let mut random = Random(2);
    let mut topics = topics();
    let (spent, joins, longest) = fill(&mut topics, &mut random);
    per("a join, of those that build it up", spent, joins);
    print("the longest 2000 joins, on the wall", longest.as_secs_f64() * 1e3, "ms");

    let leaving: Vec<_> = (0..MEMBERSHIPS / 5)
        .map(|_| MemberKey(random.below(MEMBERS)))
        .filter_map(|member| Some((member, topics.rooms(member).next()?)))
        .collect();
    let started = CpuTime::now();
    for &(member, room) in &leaving {
        topics.leave(member, room);
    }
    per("a leave", started.elapsed(), leaving.len());
    let (spent, joins, _) = fill(&mut topics, &mut random);
    per("a join, at the full size", spent, joins);

    let keys: Vec<_> = topics.iter().map(|(room, ..)| room).collect();
    let publishes = 2_000_000;
    let started = CpuTime::now();
    for _ in 0..publishes {
        fan_out(&topics, keys[random.below(ROOMS) as usize % keys.len()]);
    }
    per("walking a room of five members", started.elapsed(), publishes);

    let memberships = topics.counts().memberships;
    let started = CpuTime::now();
    for member in 0..MEMBERS {
        topics.leave_all(MemberKey(member));
    }
    per("leaving all rooms, for each", started.elapsed(), memberships);
}

/// Joins until all memberships exist. Returns the time, the number of joins and the longest one.
/// The names are new ones, as of messages that have just been received.
fn fill(topics: &mut Topics, random: &mut Random) -> (Duration, usize, Duration) {
    let (mut spent, mut joins, mut longest) = (Duration::ZERO, 0, Duration::ZERO);
    while topics.counts().memberships < MEMBERSHIPS as usize {
        let batch: Vec<_> = (0..2000)
            .map(|_| (MemberKey(random.below(MEMBERS)), name(random.below(ROOMS))))
            .collect();
        let (started, first) = (Instant::now(), CpuTime::now());
        for (member, name) in &batch {
            let _ = topics.join(*member, name);
        }
        spent += first.elapsed();
        longest = longest.max(started.elapsed());
        joins += batch.len();
    }
    (spent, joins, longest)
}

fn large_room() {
    println!("a room of {MEMBERSHIPS} members");
    let name = name(0);
    let mut topics = topics();
    let started = CpuTime::now();
    for member in 0..MEMBERSHIPS {
        let _ = topics.join(MemberKey(member), &name);
    }
    per("a join", started.elapsed(), MEMBERSHIPS as usize);
    let room = topics.room(name.as_str()).expect("members have joined");
    let walks = 200;
    let started = CpuTime::now();
    for _ in 0..walks {
        fan_out(&topics, room);
    }
    per("walking the room, for each member", started.elapsed(), walks * MEMBERSHIPS as usize);
    let mut random = Random(3);
    let started = CpuTime::now();
    for _ in 0..MEMBERSHIPS {
        topics.leave(MemberKey(random.below(MEMBERSHIPS)), room);
    }
    per("a leave", started.elapsed(), MEMBERSHIPS as usize);
}

fn member_of_many_rooms() {
    let rooms = 100_000;
    println!("a member of {rooms} rooms");
    let names: Vec<_> = (0..rooms).map(name).collect();
    let mut topics = topics();
    let started = CpuTime::now();
    for name in &names {
        let _ = topics.join(MemberKey(0), name);
    }
    per("a join", started.elapsed(), names.len());
    let mut random = Random(4);
    let started = CpuTime::now();
    for _ in 0..rooms / 2 {
        let room = topics.room(names[random.below(rooms) as usize].as_str());
        room.map(|room| topics.leave(MemberKey(0), room));
    }
    per("a leave by name", started.elapsed(), names.len() / 2);
    let left = topics.rooms(MemberKey(0)).len();
    let started = CpuTime::now();
    topics.leave_all(MemberKey(0));
    per("leaving all rooms, for each", started.elapsed(), left);
}

fn filters() {
    let members = 10_000;
    println!("a room of {members} members with filters of two tests");
    let tags = [("kind".into(), "goal".into()), ("league".into(), "3".into())];
    for distinct in [5, members] {
        let mut topics = topics();
        for member in 0..members {
            join(&mut topics, member, 0);
            let room = topics.room(name(0).as_str()).expect("a member has joined");
            let league = Condition::Equals((member % distinct).to_string().into());
            let filter = Filter::tag("kind", Condition::Equals("goal".into()))
                .and_then(|kind| Filter::all([kind, Filter::tag("league", league)?]))
                .expect("a small filter");
            topics.set_filter(MemberKey(member), room, Some(Arc::new(filter)));
        }
        let room = topics.room(name(0).as_str()).expect("members have joined");
        let rounds = 2000;
        let started = CpuTime::now();
        for _ in 0..rounds {
            let matching = topics.members_with_filter(room, &tags).filter(|(_, matches)| *matches);
            black_box(matching.count());
        }
        let what = format!("matching, for each member, with {distinct} distinct filters");
        per(&what, started.elapsed(), rounds * members as usize);
    }
}

/// Reads each member of a room, as a fan-out does.
fn fan_out(topics: &Topics, room: RoomKey) {
    for member in topics.members_without_filter(room) {
        black_box(member);
    }
}

fn topics() -> Topics {
    Topics::new(Limits { rooms: u32::MAX, rooms_per_member: u32::MAX })
}

fn join(topics: &mut Topics, member: u32, room: u32) {
    topics.join(MemberKey(member), &name(room)).expect("there are no limits");
}

/// A name of 20 bytes.
fn name(room: u32) -> RoomName {
    RoomName::new(&format!("room:{room:015}")).expect("a name")
}
