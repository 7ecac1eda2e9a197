//! The order in which streams send.

use super::*;

/// Returns the streams of the data frames that a client sends, in order.
fn order(client: &mut Multiplexer) -> Vec<StreamId> {
    let ids = frames(client).into_iter().filter_map(|frame| match frame {
        Frame::Stream { id, .. } => Some(id),
        _ => None,
    });
    ids.collect()
}

/// Creates a client with streams that each have three records to send.
fn client<const N: usize>() -> (Multiplexer, [StreamId; N]) {
    let mut client = end_with_peer(Role::Client, Config::new(), Config::new());
    let ids = [(); N].map(|()| client.open(UNI).unwrap());
    for id in ids {
        client.write(id, &vec![0; 3 * 16_352]).unwrap();
    }
    (client, ids)
}

#[test]
fn streams_of_one_priority_take_turns() {
    let (mut client, [one, two]) = client();
    // The chunks were made for the default size of records.
    let order = order(&mut client);
    assert_eq!(order[..4], [one, two, one, two]);
}

#[test]
fn a_higher_priority_sends_first() {
    let (mut client, [low, one, two]) = client();
    client.set_priority(low, -1);
    client.set_priority(two, 5);
    let order = order(&mut client);
    let each = order.len() / 3;
    assert_eq!(order, [vec![two; each], vec![one; each], vec![low; each]].concat());
}

#[test]
fn a_short_stream_waits_for_one_record_of_a_bulk_stream() {
    let (mut client, [bulk]) = client();
    client.poll_transmit(START).unwrap();
    let short = client.open(UNI).unwrap();
    client.write(short, b"short").unwrap();
    assert_eq!(order(&mut client)[..2], [bulk, short]);
}

#[test]
fn a_priority_set_late_applies_to_what_is_queued() {
    let (mut client, [one, two]) = client();
    client.poll_transmit(START).unwrap();
    client.set_priority(one, 1);
    let order = order(&mut client);
    let ones = order.iter().filter(|&&id| id == one).count();
    assert!(order[..ones].iter().all(|&id| id == one));
    assert!(order[ones..].iter().all(|&id| id == two));
}

#[test]
fn streams_that_waited_for_the_session_continue_by_priority() {
    let peer = Config::new().session_window(1);
    let mut client = end_with_peer(Role::Client, Config::new(), peer);
    let ids = [(); 3].map(|()| client.open(UNI).unwrap());
    for id in ids {
        client.write(id, b"data").unwrap();
    }
    assert_eq!(order(&mut client), [ids[0]]);
    client.set_priority(ids[2], 1);
    client.handle_record(record([Frame::MaxData(100)]), START).unwrap();
    assert_eq!(order(&mut client)[0], ids[2]);
}

#[test]
fn control_frames_precede_data() {
    let (mut client, [_]) = client();
    client.handle_record(record([Frame::Ping { sequence: 4 }]), START).unwrap();
    assert_eq!(frames(&mut client)[0], Frame::Pong { sequence: 4 });
}
