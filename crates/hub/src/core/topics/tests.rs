use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::core::filter::Condition;

/// A plain model of [`Topics`].
#[derive(Debug, Default)]
struct Model {
    rooms: BTreeMap<u32, BTreeMap<u32, Option<Arc<Filter>>>>,
}

#[derive(Clone, Debug)]
enum Operation {
    Join { member: u32, room: u32 },
    Leave { member: u32, room: u32 },
    LeaveAll { member: u32 },
    SetFilter { member: u32, room: u32, filter: Option<u8> },
}

/// Operations that mostly join, so that rooms and lists become long, and then mostly leave.
fn operations(members: u32, rooms: u32) -> impl Strategy<Value = Vec<Operation>> {
    let phase = move |join: u32, leave: u32| {
        let join_one =
            (0..members, 0..rooms).prop_map(|(member, room)| Operation::Join { member, room });
        let leave_one =
            (0..members, 0..rooms).prop_map(|(member, room)| Operation::Leave { member, room });
        let leave_all = (0..members).prop_map(|member| Operation::LeaveAll { member });
        let set_filter = (0..members, 0..rooms, proptest::option::weighted(0.7, 0..6u8))
            .prop_map(|(member, room, filter)| Operation::SetFilter { member, room, filter });
        let operation =
            prop_oneof![join => join_one, leave => leave_one, 1 => leave_all, 12 => set_filter];
        proptest::collection::vec(operation, 0..150)
    };
    (phase(30, 5), phase(10, 30), phase(20, 20)).prop_map(|(a, b, c)| [a, b, c].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn members_with_many_rooms_agree_with_the_model(operations in operations(4, 90)) {
        agree_after_each(&operations, 4, 90);
    }

    #[test]
    fn rooms_with_many_members_agree_with_the_model(operations in operations(150, 3)) {
        agree_after_each(&operations, 150, 3);
    }
}

fn agree_after_each(operations: &[Operation], members: u32, rooms: u32) {
    let mut topics = Topics::default();
    let mut model = Model::default();
    for operation in operations {
        apply(operation, &mut topics, &mut model);
        compare(&topics, &model, members, rooms);
        check_places(&topics);
    }
    for member in 0..members {
        apply(&Operation::LeaveAll { member }, &mut topics, &mut model);
    }
    compare(&topics, &model, members, rooms);
    assert_eq!(topics.counts(), Counts::default());
}

fn apply(operation: &Operation, topics: &mut Topics, model: &mut Model) {
    match *operation {
        Operation::Join { member, room } => {
            let joined = topics.join(MemberKey(member), &name(room)).unwrap();
            let first_in_room = !model.rooms.contains_key(&room);
            let members = model.rooms.entry(room).or_default();
            let already = members.contains_key(&member);
            members.entry(member).or_default();
            assert_eq!(joined, Joined { room: joined.room, first_in_room, already });
            assert_eq!(topics.name(joined.room), Some(&name(room)));
        }
        Operation::Leave { member, room } => {
            let Some(key) = topics.room(name(room).as_str()) else { return };
            let members = model.rooms.get_mut(&room).unwrap();
            let was_member = members.remove(&member).is_some();
            let expected = match (was_member, members.is_empty()) {
                (false, _) => Left::NotMember,
                (true, false) => Left::Occupied,
                (true, true) => Left::Emptied(name(room)),
            };
            model.rooms.retain(|_, members| !members.is_empty());
            assert_eq!(topics.leave(MemberKey(member), key), expected);
        }
        Operation::LeaveAll { member } => {
            let mut expected = BTreeSet::new();
            for (&room, members) in &mut model.rooms {
                if members.remove(&member).is_some() && members.is_empty() {
                    expected.insert((topics.room(name(room).as_str()).unwrap(), name(room)));
                }
            }
            model.rooms.retain(|_, members| !members.is_empty());
            let emptied = topics.leave_all(MemberKey(member));
            assert_eq!(emptied.len(), expected.len());
            assert_eq!(BTreeSet::from_iter(emptied), expected);
        }
        Operation::SetFilter { member, room, filter } => {
            let Some(key) = topics.room(name(room).as_str()) else { return };
            let filter = filter.map(equals);
            let entry = model.rooms.get_mut(&room).unwrap().get_mut(&member);
            assert_eq!(topics.set_filter(MemberKey(member), key, filter.clone()), entry.is_some());
            if let Some(entry) = entry {
                *entry = filter;
            }
        }
    }
}

fn compare(topics: &Topics, model: &Model, members: u32, rooms: u32) {
    for room in 0..rooms {
        let key = topics.room(name(room).as_str());
        assert_eq!(key.is_some(), model.rooms.contains_key(&room));
        let Some(key) = key else { continue };
        let expected = &model.rooms[&room];
        let (with, without): (Vec<_>, Vec<_>) =
            expected.iter().partition(|(_, filter)| filter.is_some());
        assert_eq!(sorted(topics.members(key).iter().map(|member| member.0)), keys(expected));
        let unfiltered = topics.members_without_filter(key).iter().map(|member| member.0);
        assert_eq!(
            sorted(unfiltered),
            without.iter().map(|(member, _)| **member).collect::<Vec<_>>()
        );
        for tags in [vec![], vec![("n".into(), "0".into())], vec![("n".into(), "3".into())]] {
            let verdicts = topics.members_with_filter(key, &tags);
            let expected = with.iter().map(|(member, filter)| {
                (**member, filter.as_ref().is_some_and(|filter| filter.matches(&tags)))
            });
            assert_eq!(
                sorted(verdicts.map(|(member, matches)| (member.0, matches))),
                sorted(expected)
            );
        }
        for member in 0..members {
            assert_eq!(topics.contains(MemberKey(member), key), expected.contains_key(&member));
            let filter = expected.get(&member).and_then(Option::as_ref);
            assert_eq!(topics.filter(MemberKey(member), key), filter);
        }
    }
    for member in 0..members {
        let names = topics.rooms(MemberKey(member)).map(|room| topics.name(room).unwrap().clone());
        let occupied = model.rooms.iter().filter(|(_, members)| members.contains_key(&member));
        assert_eq!(sorted(names), sorted(occupied.map(|(&room, _)| name(room))));
    }
    let iterated = topics.iter().map(|(key, name, members)| {
        assert_eq!(topics.members(key), members);
        name.clone()
    });
    assert_eq!(sorted(iterated), sorted(model.rooms.keys().map(|&room| name(room))));
    let distinct: BTreeSet<_> = model.rooms.values().flat_map(BTreeMap::keys).collect();
    assert_eq!(
        topics.counts(),
        Counts {
            rooms: model.rooms.len(),
            members: distinct.len(),
            memberships: model.rooms.values().map(BTreeMap::len).sum(),
        }
    );
}

/// Both arrays of each membership know the place in the other.
fn check_places(topics: &Topics) {
    for (member, memberships) in topics.members.iter() {
        for &Membership { room, place } in memberships.entries() {
            assert_eq!(topics.members(room)[place as usize], MemberKey(member));
        }
    }
}

#[test]
fn joins_beyond_the_limits_are_refused_and_change_nothing() {
    let mut topics = Topics::new(Limits { rooms: 3, rooms_per_member: 2 });
    topics.join(MemberKey(0), &name(0)).unwrap();
    let first = topics.join(MemberKey(0), &name(1)).unwrap();
    let refused = topics.join(MemberKey(0), &name(2));
    assert_eq!(refused, Err(JoinError::RoomsPerMember { limit: 2 }));
    assert!(topics.join(MemberKey(0), &name(1)).unwrap().already);

    topics.join(MemberKey(1), &name(2)).unwrap();
    let refused = topics.join(MemberKey(1), &name(3));
    assert_eq!(refused, Err(JoinError::Rooms { limit: 3 }));
    assert_eq!(topics.counts(), Counts { rooms: 3, members: 2, memberships: 3 });

    topics.leave(MemberKey(0), first.room);
    topics.join(MemberKey(1), &name(3)).unwrap();
}

#[test]
fn keys_of_emptied_rooms_are_given_again() {
    let mut topics = Topics::default();
    for round in 0..10 {
        for room in 0..1000 {
            let joined = topics.join(MemberKey(room % 50), &name(round * 1000 + room)).unwrap();
            assert!(joined.room.index() < 1024);
        }
        for member in 0..50 {
            assert_eq!(topics.leave_all(MemberKey(member)).len(), 20);
        }
    }
}

#[test]
fn unknown_members_and_rooms_have_nothing() {
    let mut topics = Topics::default();
    let lobby = topics.join(MemberKey(0), &name(0)).unwrap().room;
    assert_eq!(topics.leave(MemberKey(0), lobby), Left::Emptied(name(0)));
    for member in [MemberKey(0), MemberKey(u32::MAX)] {
        assert_eq!(topics.leave(member, lobby), Left::NotMember);
        assert_eq!(topics.leave_all(member), []);
        assert_eq!(topics.rooms(member).len(), 0);
        assert!(!topics.set_filter(member, lobby, None));
        assert_eq!(topics.filter(member, lobby), None);
    }
    assert_eq!(topics.members(lobby), []);
    assert_eq!(topics.members_without_filter(lobby), []);
    assert_eq!(topics.members_with_filter(lobby, &[]).count(), 0);
    assert_eq!(topics.name(lobby), None);
}

#[test]
fn rooms_whose_names_have_equal_hashes_are_told_apart() {
    let mut topics = Topics::new(Limits { rooms: u32::MAX, rooms_per_member: u32::MAX });
    // Among 200,000 names some five pairs have the same 32 bits.
    let keys: Vec<_> =
        (0..200_000).map(|room| topics.join(MemberKey(0), &name(room)).unwrap().room).collect();
    for (room, &key) in (0..).zip(&keys) {
        assert_eq!(topics.room(name(room).as_str()), Some(key));
    }
    for (room, &key) in (0..).zip(&keys).filter(|(room, _)| room % 2 == 0) {
        assert_eq!(topics.leave(MemberKey(0), key), Left::Emptied(name(room)));
    }
    for (room, &key) in (0..).zip(&keys) {
        assert_eq!(topics.room(name(room).as_str()), (room % 2 == 1).then_some(key));
    }
}

#[test]
fn memory_is_given_back_when_members_leave() {
    let mut topics = Topics::new(Limits { rooms: u32::MAX, rooms_per_member: u32::MAX });
    let lobby = topics.join(MemberKey(0), &name(0)).unwrap().room;
    for member in 1..50_000 {
        topics.join(MemberKey(member), &name(0)).unwrap();
        topics.join(MemberKey(member), &name(member)).unwrap();
        topics.join(MemberKey(0), &name(member)).unwrap();
        topics.set_filter(MemberKey(member), lobby, Some(equals(member)));
    }
    for member in 1..50_000 {
        topics.leave_all(MemberKey(member));
    }
    for room in topics.rooms(MemberKey(0)).collect::<Vec<_>>() {
        if room != lobby {
            topics.leave(MemberKey(0), room);
        }
    }
    assert_eq!(topics.counts(), Counts { rooms: 1, members: 1, memberships: 1 });
    assert!(topics.names.capacity() < 16);
    assert_eq!((topics.members.allocated_pages(), topics.rooms.allocated_pages()), (1, 1));
    assert!(topics.rooms.get(lobby).unwrap().capacity() <= 16);
    assert!(topics.members.get(0).unwrap().capacity() <= 16);
}

#[test]
fn a_filter_of_many_members_is_kept_once() {
    let mut topics = Topics::default();
    for member in 0..1000 {
        let lobby = topics.join(MemberKey(member), &name(0)).unwrap().room;
        topics.set_filter(MemberKey(member), lobby, Some(equals(member % 4)));
    }
    let lobby = topics.room(name(0).as_str()).unwrap();
    let filter = topics.filter(MemberKey(0), lobby).unwrap();
    for member in (0..1000).step_by(4) {
        assert!(Arc::ptr_eq(topics.filter(MemberKey(member), lobby).unwrap(), filter));
    }
    assert_eq!(topics.members_without_filter(lobby), []);
    let tags = [("n".into(), "3".into())];
    let matching = topics.members_with_filter(lobby, &tags).filter(|(_, matches)| *matches);
    assert!(matching.map(|(member, _)| member.0).all(|member| member % 4 == 3));
}

fn name(room: u32) -> RoomName {
    RoomName::new(&format!("room {room}")).unwrap()
}

fn equals(number: impl Into<u64>) -> Arc<Filter> {
    let condition = Condition::Equals(number.into().to_string().into());
    Arc::new(Filter::tag("n", condition).unwrap())
}

fn keys(members: &BTreeMap<u32, Option<Arc<Filter>>>) -> Vec<u32> {
    members.keys().copied().collect()
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items = Vec::from_iter(items);
    items.sort();
    items
}
