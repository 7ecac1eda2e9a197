use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{
    Change, Incarnation, PresenceBody, PresenceDecodeError, PresenceMessage, Profile, RequestId,
    SHARDS, Section, ShardSet, ShardSummary,
};
use super::{profile, room};
use crate::core::{NodeId, RoomName, UserId};

fn rooms() -> impl Strategy<Value = RoomName> {
    "[a-zé*]{1,20}".prop_map(|name| room(&name))
}

fn profiles() -> impl Strategy<Value = Profile> {
    (any::<Option<String>>(), vec(any::<u8>(), 0..300))
        .prop_map(|(user, info)| Profile { user: user.map(|u| UserId::new(&u)), info: info.into() })
}

fn bodies() -> impl Strategy<Value = PresenceBody> {
    let id = (any::<u64>(), any::<u64>())
        .prop_map(|(life, number)| RequestId { incarnation: Incarnation(life), number });
    let changes = (any::<u64>(), rooms(), any::<u64>(), proptest::option::of(profiles()))
        .prop_map(|(number, room, session, profile)| Change { number, room, session, profile });
    let members = vec((rooms(), any::<u64>(), profiles()), 0..5);
    let sections = (0..64_u8, any::<u64>(), any::<u32>(), any::<bool>(), members).prop_map(
        |(shard, number, part, last, members)| Section { shard, number, part, last, members },
    );
    let request = (any::<u64>(), id, any::<u64>());
    prop_oneof![
        (any::<u64>(), vec(any::<(u64, u64)>(), SHARDS)).prop_map(|(beat, shards)| {
            let summary = |n: usize| ShardSummary { number: shards[n].0, hash: shards[n].1 };
            PresenceBody::Heartbeat { beat, shards: Box::new(std::array::from_fn(summary)) }
        }),
        vec(changes, 0..9).prop_map(|changes| PresenceBody::Delta { changes }),
        request.clone().prop_map(|(to, id, shards)| PresenceBody::Request {
            to: NodeId(to),
            id,
            shards: ShardSet(shards)
        }),
        (request, vec(sections, 0..5)).prop_map(|((to, id, _), sections)| {
            PresenceBody::Snapshot { to: NodeId(to), id, sections }
        }),
        Just(PresenceBody::Shutdown),
    ]
}

proptest! {
    #[test]
    fn an_encoded_message_is_decoded_to_the_same_message(
        node: u64, life: u64, body in bodies(),
    ) {
        let incarnation = Incarnation(life);
        let message = PresenceMessage { node: NodeId(node), incarnation, body };
        prop_assert_eq!(PresenceMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn a_message_that_is_cut_or_continued_is_malformed(body in bodies(), cut: prop::sample::Index) {
        let message = PresenceMessage { node: NodeId(1), incarnation: Incarnation(2), body };
        let mut bytes = message.encode().to_vec();
        let malformed = Err(PresenceDecodeError::Malformed);
        prop_assert_eq!(PresenceMessage::decode(&bytes[..cut.index(bytes.len())]), malformed.clone());
        bytes.push(0);
        prop_assert_eq!(PresenceMessage::decode(&bytes), malformed);
    }

    #[test]
    fn any_bytes_are_decoded_to_a_message_or_an_error(
        kind in 0..6_u8, rest in vec(any::<u8>(), 0..300),
    ) {
        let bytes = [&[1, kind], &rest[..]].concat();
        let _ = PresenceMessage::decode(&bytes);
    }

    #[test]
    fn a_changed_message_is_decoded_to_a_message_or_an_error(
        body in bodies(), at: prop::sample::Index, byte: u8,
    ) {
        let message = PresenceMessage { node: NodeId(1), incarnation: Incarnation(2), body };
        let mut bytes = message.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = PresenceMessage::decode(&bytes);
    }
}

#[test]
fn the_format_stays_the_same() {
    let profile = Some(profile("u", "hi"));
    let change = Change { number: 300, room: room("a"), session: 5, profile };
    let body = PresenceBody::Delta { changes: vec![change] };
    let message = PresenceMessage { node: NodeId(7), incarnation: Incarnation(1), body };
    let expected = b"\x01\x01\x07\0\0\0\0\0\0\0\x01\x01\xac\x02\x01a\x05\x02\x01u\x02hi";
    assert_eq!(message.encode()[..], expected[..]);
    let version = PresenceDecodeError::Version { version: 2 };
    assert_eq!(PresenceMessage::decode(b"\x02"), Err(version));
}
