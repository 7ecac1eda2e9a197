use std::slice;

use super::*;
use crate::core::history::Retention;

const ADA: MemberKey = MemberKey(0);
const BOB: MemberKey = MemberKey(1);

fn rooms() -> Rooms {
    Rooms::new(Limits::default(), Arc::default())
}

fn name(name: &str) -> RoomName {
    RoomName::new(name).expect("the name is valid")
}

/// Adds a member as a join does, which subscribes to the room.
fn join(rooms: &mut Rooms, member: MemberKey, room: &RoomName, options: RoomOptions) {
    let room = rooms.hashed(room);
    rooms.pin(room, Arc::new(options));
    if let Some(state) = rooms.find_state_mut(room) {
        state.subscription = Subscription::Active;
    }
    let key = rooms.topics.find(room);
    rooms.join(member, room, key).expect("there are no limits");
    rooms.unpin(room);
}

fn is_subscribed(rooms: &Rooms, room: &RoomName) -> bool {
    rooms.state(room).is_some_and(RoomState::is_subscribed)
}

#[test]
fn a_room_is_unsubscribed_from_and_forgotten_when_its_last_member_leaves() {
    let (mut rooms, lobby) = (rooms(), name("lobby"));
    for member in [ADA, BOB] {
        join(&mut rooms, member, &lobby, RoomOptions::new());
    }
    assert!(rooms.leave(ADA, &lobby));
    assert!(!rooms.has_unused());
    assert!(rooms.leave(BOB, &lobby));
    assert_eq!(rooms.take_unused(), slice::from_ref(&lobby));
    assert!(is_subscribed(&rooms, &lobby));

    let hashed = rooms.hashed(&lobby);
    assert!(rooms.pin_known(hashed).is_some());
    assert_eq!(rooms.end_subscription(hashed), Some(Subscription::Active));
    assert!(!is_subscribed(&rooms, &lobby));
    rooms.forget(hashed);
    rooms.unpin(hashed);
    assert!(rooms.state(&lobby).is_none());
    assert!(rooms.joining.is_empty() && !rooms.has_unused());
}

#[test]
fn a_room_that_is_joined_meanwhile_is_kept() {
    let (mut rooms, lobby) = (rooms(), name("lobby"));
    join(&mut rooms, ADA, &lobby, RoomOptions::new());
    rooms.leave_all(ADA);
    assert_eq!(rooms.take_unused(), slice::from_ref(&lobby));

    // A member joins before the subscription ends.
    let hashed = rooms.hashed(&lobby);
    rooms.pin_known(hashed);
    rooms.join(BOB, hashed, None).expect("there are no limits");
    assert_eq!(rooms.end_subscription(hashed), None);
    rooms.forget(hashed);
    rooms.unpin(hashed);
    assert!(is_subscribed(&rooms, &lobby) && !rooms.has_unused());

    // A join that waits for its turn keeps the room without a subscription.
    rooms.leave_all(BOB);
    rooms.pin_known(hashed);
    assert_eq!(rooms.end_subscription(hashed), Some(Subscription::Active));
    rooms.pin(hashed, Arc::default());
    rooms.forget(hashed);
    rooms.unpin(hashed);
    assert!(rooms.state(&lobby).is_some());

    // It gives up.
    rooms.take_unused();
    rooms.unpin(hashed);
    assert_eq!(rooms.take_unused(), slice::from_ref(&lobby));
}

#[test]
fn only_rooms_with_history_have_its_state_and_equal_options_are_shared() {
    let mut rooms = rooms();
    let (plain, other, chat) = (name("plain"), name("other"), name("chat"));
    join(&mut rooms, ADA, &plain, RoomOptions::new());
    join(&mut rooms, ADA, &other, RoomOptions::new());
    join(&mut rooms, ADA, &chat, RoomOptions::new().history(Retention::default()));
    let state = |room: &RoomName| rooms.state(room).expect("the room has a member");
    assert!(Arc::ptr_eq(&state(&plain).options, &state(&other).options));
    assert!(state(&plain).history.is_none());
    assert!(state(&chat).history.is_some());
    assert!(size_of::<Option<RoomState>>() <= 24, "each room takes it");
}
