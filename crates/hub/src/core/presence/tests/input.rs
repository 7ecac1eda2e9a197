use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Change, PresenceBody, RequestId, SHARDS, Section, ShardSet, ShardSummary};
use super::*;

/// Small numbers, so that messages fit each other, and the greatest.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4_u64, 1 => Just(u64::MAX - 1), 1 => Just(u64::MAX)]
}

fn names() -> impl Strategy<Value = RoomName> {
    "[ab]".prop_map(|name| room(&name))
}

fn profiles() -> impl Strategy<Value = Profile> {
    "[uv]?".prop_map(|user| profile(&user, ""))
}

fn bodies() -> impl Strategy<Value = PresenceBody> {
    let change = (numbers(), names(), numbers(), proptest::option::of(profiles()))
        .prop_map(|(number, room, session, profile)| Change { number, room, session, profile });
    let members = vec((names(), numbers(), profiles()), 0..3);
    let shards = [17_u8, 52, 63, 255].map(Just);
    let [a, b, other, beyond] = shards;
    let shard = prop_oneof![3 => a, 3 => b, 1 => other, 1 => beyond];
    let section = (shard, numbers(), 0..3_u32, any::<bool>(), members).prop_map(
        |(shard, number, part, last, members)| Section { shard, number, part, last, members },
    );
    let ids = (0..9_u64).prop_map(|number| RequestId { incarnation: Incarnation(0), number });
    let to = (0..3_u64).prop_map(NodeId);
    prop_oneof![
        (numbers(), numbers(), numbers()).prop_map(|(beat, number, hash)| {
            let shards = Box::new([ShardSummary { number, hash }; SHARDS]);
            PresenceBody::Heartbeat { beat, shards }
        }),
        vec(change, 0..4).prop_map(|changes| PresenceBody::Delta { changes }),
        (to.clone(), ids.clone(), any::<u64>()).prop_map(|(to, id, shards)| {
            PresenceBody::Request { to, id, shards: ShardSet(shards) }
        }),
        (to, ids, vec(section, 0..4)).prop_map(|(to, id, sections)| PresenceBody::Snapshot {
            to,
            id,
            sections
        }),
        Just(PresenceBody::Shutdown),
    ]
}

proptest! {
    /// No message of the other nodes causes a panic, and with their deaths all their members
    /// leave.
    #[test]
    fn any_messages_are_handled(
        messages in vec((0..3_u64, 0..3_u64, bodies(), 0..900_u64), 0..60),
    ) {
        let mut now = Instant::now();
        let config = PresenceConfig { max_members: 5, max_nodes: 2, ..Default::default() };
        let mut presence = Presence::new(now, NodeId(0), Incarnation(0), config).unwrap();
        presence.join(now, &room("a"), Pair::session(0, 1), Profile::default()).unwrap();
        let mut view = BTreeMap::new();
        let mut drain = |presence: &mut Presence| {
            while let Some(output) = presence.poll_output() {
                let PresenceOutput::Diff { diff, .. } = output else { continue };
                for member in diff.joined {
                    assert!(view.insert(member.session, member.profile).is_none());
                }
                for member in diff.left {
                    assert!(view.remove(&member.session).is_some());
                }
            }
            view.len()
        };
        for (node, life, body, pause) in messages {
            let incarnation = Incarnation(life);
            let message = PresenceMessage { node: NodeId(node), incarnation, body };
            presence.handle_message(now, message);
            now += Duration::from_millis(pause);
            presence.handle_timeout(now);
            drain(&mut presence);
            prop_assert!(presence.metrics().members <= 5 && presence.metrics().nodes <= 2);
        }
        for _ in 0..15 {
            now += Duration::from_secs(1);
            presence.handle_timeout(now);
            drain(&mut presence);
        }
        let metrics = presence.metrics();
        prop_assert_eq!((metrics.nodes, metrics.members, metrics.rooms), (0, 1, 1));
        prop_assert_eq!(drain(&mut presence), 1);
    }
}
