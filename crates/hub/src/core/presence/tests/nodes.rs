use super::super::{PresenceBody, PresenceError, PresenceMetrics};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> PresenceConfig {
    PresenceConfig::default()
}

fn left(outputs: &[PresenceOutput]) -> usize {
    let diffs = outputs.iter().filter_map(|output| match output {
        PresenceOutput::Diff { diff, .. } => Some(diff.left.len()),
        _ => None,
    });
    diffs.sum()
}

fn requests(messages: &[PresenceMessage]) -> usize {
    let request = |message: &&PresenceMessage| matches!(message.body, PresenceBody::Request { .. });
    messages.iter().filter(request).count()
}

#[test]
fn a_member_is_known_at_the_other_node_after_the_delay_of_deltas() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, profile("u", "1"));
    assert_eq!(pair.sessions(1, "a"), 0);
    pair.pass(config().delta_delay);
    assert_eq!(pair.nodes[1].member(&room("a"), Pair::session(0, 1)), Some(profile("u", "1")));
}

#[test]
fn a_lost_delta_is_found_by_the_next_one_and_only_its_shard_requested() {
    let mut pair = Pair::new(&config());
    pair.pass(SECOND);
    let before = requests(&pair.sent[1]);
    pair.lost[0] = true;
    pair.join(0, "a", 1, Profile::default());
    pair.pass(config().delta_delay);
    pair.lost[0] = false;
    pair.join(0, "a", 2, Profile::default());
    pair.pass(config().delta_delay);
    assert_eq!(pair.sessions(1, "a"), 2);
    assert_eq!(pair.nodes[1].metrics().holes, 1);
    assert_eq!(requests(&pair.sent[1]), before + 1);
    let Some(PresenceBody::Snapshot { sections, .. }) =
        pair.sent[0].last().map(|message| &message.body)
    else {
        panic!("{:?}", pair.sent[0].last());
    };
    assert_eq!(sections.len(), 1);
}

#[test]
fn a_heartbeat_tells_no_change_before_its_delta() {
    let mut pair = Pair::new(&config());
    let before = requests(&pair.sent[1]);
    pair.pass(Duration::from_millis(1_999));
    pair.join(0, "a", 1, Profile::default());
    pair.pass(SECOND);
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(requests(&pair.sent[1]), before, "the delta was sent first");
}

#[test]
fn a_node_that_was_paused_for_half_a_lease_lets_nobody_leave_for_another() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, Profile::default());
    pair.pass(SECOND);
    // The heartbeats of the other node are lost before, during and after the pause.
    pair.lost = [true; 2];
    pair.pass_at(Duration::from_secs(2), &[1]);
    pair.now += Duration::from_secs(4);
    pair.pass_at(Duration::from_secs(6), &[1]);
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(pair.nodes[1].incarnation(), Incarnation(0));
    pair.pass_at(SECOND, &[1]);
    assert_eq!(pair.sessions(1, "a"), 0);
}

#[test]
fn a_lost_last_delta_is_found_by_the_next_heartbeat() {
    let mut pair = Pair::new(&config());
    pair.pass(SECOND);
    pair.lost[0] = true;
    pair.join(0, "a", 1, Profile::default());
    pair.pass(config().delta_delay);
    pair.lost[0] = false;
    pair.pass(config().heartbeat);
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(pair.nodes[1].metrics().holes, 0);
}

#[test]
fn a_shard_that_differs_by_its_hash_alone_is_replaced() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, profile("", "old"));
    pair.pass(SECOND);
    let (node, incarnation) = (NodeId(0), Incarnation(0));
    let forged = |number, info| {
        let (room, session) = (room("a"), 1);
        let change =
            super::super::Change { number, room, session, profile: Some(profile("", info)) };
        let body = PresenceBody::Delta { changes: vec![change] };
        PresenceMessage { node, incarnation, body }
    };
    pair.nodes[1].handle_message(pair.now, forged(2, "forged"));
    pair.lost[0] = true;
    pair.nodes[0].update(pair.now, &room("a"), Pair::session(0, 1), b"new").unwrap();
    pair.pass(config().delta_delay);
    pair.lost[0] = false;
    assert_eq!(pair.nodes[1].member(&room("a"), Pair::session(0, 1)), Some(profile("", "forged")));
    pair.pass(config().heartbeat);
    assert_eq!(pair.nodes[1].member(&room("a"), Pair::session(0, 1)), Some(profile("", "new")));
}

#[test]
fn a_large_shard_arrives_in_parts() {
    let mut pair = Pair::new(&config());
    pair.lost[0] = true;
    for number in 0..2_000 {
        pair.join(0, "a", number, Profile::default());
    }
    pair.pass(SECOND);
    pair.lost[0] = false;
    pair.pass(config().heartbeat);
    assert_eq!(pair.sessions(1, "a"), 2_000);
}

#[test]
fn parts_of_two_answers_to_a_repeated_request_are_not_mixed() {
    let mut pair = Pair::new(&config());
    pair.lost[0] = true;
    for number in 0..600 {
        pair.join(0, "a", number, Profile::default());
    }
    pair.pass(SECOND);
    pair.lost[0] = false;
    // The heartbeat arrives, and the answer is held back.
    pair.pass(Duration::from_millis(999));
    pair.lost[1] = true;
    pair.pass(Duration::from_millis(1));
    let request = pair.sent[1].iter().rev().find(|message| requests(&[(*message).clone()]) == 1);
    let request = request.unwrap().clone();
    let answer = |pair: &mut Pair| {
        let mut parts = Vec::new();
        pair.nodes[0].handle_message(pair.now, request.clone());
        while let Some(output) = pair.nodes[0].poll_output() {
            let PresenceOutput::Send { message, .. } = output else { continue };
            if matches!(message.body, PresenceBody::Snapshot { .. }) {
                parts.push(message);
            }
        }
        assert_eq!(parts.len(), 2);
        parts
    };
    let first = answer(&mut pair);
    let left = pair.nodes[0].leave(pair.now, &room("a"), Pair::session(0, 5));
    assert!(left);
    let second = answer(&mut pair);
    pair.nodes[1].handle_message(pair.now, first[0].clone());
    pair.nodes[1].handle_message(pair.now, second[1].clone());
    assert_eq!(pair.sessions(1, "a"), 0);
    pair.lost[1] = false;
    pair.pass(SECOND);
    assert_eq!(pair.sessions(1, "a"), 599);
}

#[test]
fn changes_beyond_the_bound_of_those_that_wait_are_healed_by_snapshots() {
    let mut pair = Pair::new(&config());
    for number in 0..20_000 {
        let session = Pair::session(0, number);
        pair.nodes[0].join(pair.now, &room("a"), session, Profile::default()).unwrap();
    }
    pair.pass(SECOND);
    assert_eq!(pair.sessions(1, "a"), 20_000);
}

#[test]
fn the_members_of_a_silent_node_leave_once_after_a_lease() {
    let mut pair = Pair::new(&config());
    pair.join(1, "a", 1, Profile::default());
    pair.join(0, "a", 2, profile("u", ""));
    pair.pass(SECOND);
    pair.lost[0] = true;
    pair.pass_at(Duration::from_secs(5), &[1]);
    assert_eq!(pair.sessions(1, "a"), 2);
    pair.pass_at(Duration::from_secs(2), &[1]);
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(left(&pair.outputs[1]), 1);
    assert_eq!(pair.nodes[1].metrics().expired_nodes, 1);
}

#[test]
fn many_members_of_a_dead_node_leave_bit_by_bit() {
    let mut pair = Pair::new(&config());
    for number in 0..1_300 {
        pair.join(0, "a", number, Profile::default());
    }
    pair.nodes[1].watch(&room("a"));
    pair.pass(SECOND);
    pair.nodes[0].shutdown(pair.now);
    pair.exchange();
    assert_eq!(pair.sessions(1, "a"), 1_300 - 512);
    // A node that returns meanwhile is heard once they have left.
    let node = NodeId(0);
    pair.nodes[0] = Presence::new(pair.now, node, Incarnation(1), config()).unwrap();
    pair.exchange();
    assert_eq!(pair.nodes[1].metrics().nodes, 0);
    pair.join(0, "a", 9_999, Profile::default());
    pair.pass(Duration::from_secs(3));
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(left(&pair.outputs[1]), 1_300);
}

#[test]
fn late_messages_of_a_dead_node_bring_no_member_back() {
    let mut pair = Pair::new(&config());
    pair.join(1, "a", 1, Profile::default());
    pair.join(0, "a", 2, Profile::default());
    pair.pass(SECOND);
    pair.lost[0] = true;
    pair.pass_at(Duration::from_secs(9), &[1]);
    assert_eq!(pair.sessions(1, "a"), 1);
    // The node is dead: what the observer requests is not answered.
    pair.lost[1] = true;
    for message in pair.sent[0].clone() {
        pair.nodes[1].handle_message(pair.now, message);
    }
    pair.pass_at(SECOND, &[1]);
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(pair.nodes[1].metrics().nodes, 1);
    pair.pass_at(Duration::from_secs(9), &[1]);
    assert_eq!(pair.nodes[1].metrics().nodes, 0);
    assert_eq!(left(&pair.outputs[1]), 1);
}

#[test]
fn repeated_heartbeats_renew_no_lease() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, Profile::default());
    pair.pass(SECOND);
    pair.lost[0] = true;
    for _ in 0..9 {
        pair.pass_at(SECOND, &[1]);
        for message in pair.sent[0].clone() {
            pair.nodes[1].handle_message(pair.now, message);
        }
        pair.lost[1] = true;
    }
    assert_eq!(pair.sessions(1, "a"), 0);
}

#[test]
fn nobody_leaves_while_the_own_link_is_down_and_for_a_lease_afterwards() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, Profile::default());
    pair.join(1, "a", 2, Profile::default());
    pair.pass(SECOND);
    for node in &mut pair.nodes {
        node.handle_link_down(pair.now);
    }
    pair.pass(Duration::from_secs(60));
    assert!(pair.nodes[1].is_stale());
    pair.nodes[1].handle_link_up(pair.now);
    pair.pass(Duration::from_secs(6));
    pair.nodes[0].handle_link_up(pair.now);
    pair.pass(Duration::from_secs(20));
    for place in 0..2 {
        assert_eq!(pair.sessions(place, "a"), 2);
        assert_eq!(left(&pair.outputs[place]), 0);
        assert_eq!(pair.nodes[place].incarnation(), Incarnation(1));
        assert!(!pair.nodes[place].is_stale());
    }
}

#[test]
fn nothing_is_requested_after_a_restart_of_the_bus_in_which_nothing_changed() {
    let mut pair = Pair::new(&config());
    for number in 0..100 {
        pair.join(0, &number.to_string(), number, Profile::default());
    }
    pair.pass(SECOND);
    let before = pair.nodes[1].metrics();
    for node in &mut pair.nodes {
        node.handle_link_down(pair.now);
    }
    pair.pass(Duration::from_secs(20));
    for node in &mut pair.nodes {
        node.handle_link_up(pair.now);
    }
    pair.pass(Duration::from_secs(20));
    assert_eq!(pair.nodes[1].metrics(), before);
}

#[test]
fn a_node_that_was_paused_for_longer_than_a_lease_returns_with_the_next_incarnation() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, Profile::default());
    pair.join(1, "a", 2, Profile::default());
    pair.pass(SECOND);
    pair.lost[1] = true;
    pair.pass_at(Duration::from_secs(10), &[1]);
    assert_eq!(pair.sessions(1, "a"), 1);
    pair.lost[1] = false;
    pair.pass(SECOND);
    assert_eq!(pair.nodes[0].incarnation(), Incarnation(1));
    for place in 0..2 {
        assert_eq!(pair.sessions(place, "a"), 2);
    }
    // The paused node knows that the silence was its own.
    assert_eq!(left(&pair.outputs[0]), 0);
    assert_eq!(left(&pair.outputs[1]), 1);
}

#[test]
fn the_members_of_a_node_that_shuts_down_leave_at_once() {
    let mut pair = Pair::new(&config());
    pair.join(0, "a", 1, Profile::default());
    pair.join(1, "a", 2, Profile::default());
    pair.pass(SECOND);
    pair.nodes[0].shutdown(pair.now);
    pair.exchange();
    assert_eq!(pair.sessions(1, "a"), 1);
    assert_eq!(pair.sessions(0, "a"), 1, "the other node's member stays");
    let session = Pair::session(0, 3);
    let result = pair.nodes[0].join(pair.now, &room("a"), session, Profile::default());
    assert_eq!(result, Err(PresenceError::ShutDown));
    let sent = pair.sent[0].len();
    pair.pass_at(Duration::from_secs(10), &[0]);
    assert_eq!(pair.sent[0].len(), sent);
}

#[test]
fn a_node_alone_sends_only_heartbeats() {
    let mut pair = Pair::new(&config());
    pair.lost = [true; 2];
    pair.pass(Duration::from_secs(20));
    let sent = pair.sent[0].len();
    pair.join(0, "a", 1, Profile::default());
    pair.pass(Duration::from_secs(20));
    let later = &pair.sent[0][sent..];
    assert_eq!(later.len(), 10);
    assert!(later.iter().all(|message| matches!(message.body, PresenceBody::Heartbeat { .. })));
}

#[test]
fn nodes_and_members_beyond_the_bounds_are_refused_and_counted() {
    let mut pair = Pair::new(&PresenceConfig { max_members: 2, max_nodes: 1, ..config() });
    pair.join(0, "a", 1, Profile::default());
    pair.join(0, "b", 2, Profile::default());
    pair.pass(SECOND);
    let now = pair.now;
    let session = Pair::session(1, 1);
    let full = pair.nodes[1].join(now, &room("c"), session, Profile::default());
    assert_eq!(full, Err(PresenceError::Full));
    assert_eq!(pair.nodes[1].metrics().rooms, 2, "no trace of the refused room");

    pair.leave(0, "b", 2);
    pair.lost[0] = true;
    pair.pass(SECOND);
    pair.lost[0] = false;
    pair.nodes[1].handle_message(pair.now, pair.sent[0].last().unwrap().clone());
    pair.pass(Duration::from_secs(3));
    assert_eq!(pair.sessions(1, "b"), 0);
    pair.join(1, "c", 1, Profile::default());
    pair.lost[1] = true;
    pair.join(0, "d", 3, Profile::default());
    pair.pass(SECOND);
    assert_eq!(pair.sessions(1, "d"), 0);
    assert!(pair.nodes[1].metrics().refused_members > 0);

    let mut third = Presence::new(pair.now, NodeId(9), Incarnation(0), config()).unwrap();
    while let Some(output) = third.poll_output() {
        let PresenceOutput::Send { message, .. } = output else { continue };
        pair.nodes[0].handle_message(pair.now, message);
    }
    let PresenceMetrics { nodes, refused_nodes, .. } = pair.nodes[0].metrics();
    assert_eq!((nodes, refused_nodes), (1, 1));
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let mut pair = Pair::new(&PresenceConfig { max_info: 3, ..config() });
    let (now, node) = (pair.now, &mut pair.nodes[0]);
    let (own, foreign) = (Pair::session(0, 1), Pair::session(1, 1));
    let long = profile("", "long");
    let user = profile(&"u".repeat(1_025), "");
    let mut join = |session, profile| node.join(now, &room("a"), session, profile);
    let error = PresenceError::ForeignSession { session: foreign };
    assert_eq!(join(foreign, Profile::default()), Err(error));
    assert_eq!(join(own, long), Err(PresenceError::InfoTooLong { length: 4 }));
    assert_eq!(join(own, user), Err(PresenceError::UserTooLong { length: 1_025 }));
    assert_eq!(node.update(now, &room("a"), own, b""), Err(PresenceError::NotJoined));
    assert!(!node.leave(now, &room("a"), own));
    assert!(!node.leave(now, &room("a"), foreign));
    assert_eq!(node.leave_all(now, foreign), 0);
    assert_eq!(node.metrics().rooms, 0);
}

#[test]
fn all_nodes_name_the_same_reporter_of_a_room() {
    let pair = Pair::new(&config());
    let reporters = (0..100).map(|number| {
        let room = room(&number.to_string());
        assert_eq!(pair.nodes[0].reporter(&room), pair.nodes[1].reporter(&room));
        pair.nodes[0].reporter(&room)
    });
    let first = reporters.filter(|&node| node == NodeId(0)).count();
    assert!((30..70).contains(&first), "{first} of 100");
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    let check = |config: PresenceConfig| config.check().is_ok();
    assert!(check(config()));
    assert!(!check(PresenceConfig { lease: Duration::from_secs(5), ..config() }));
    assert!(!check(PresenceConfig { heartbeat: Duration::ZERO, ..config() }));
    assert!(!check(PresenceConfig { grace: Duration::MAX, ..config() }));
    assert!(!check(PresenceConfig { max_diff: 0, ..config() }));
}
