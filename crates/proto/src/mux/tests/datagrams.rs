//! Datagrams, and their bounded queues.

use super::super::DroppedDatagrams;
use super::*;

#[test]
fn a_datagram_arrives() {
    let mut pair = Pair::with_defaults();
    events(&mut pair.server);
    pair.client.send_datagram("hello".into());
    pair.settle();
    assert_eq!(events(&mut pair.server), [Event::Datagram]);
    assert_eq!(pair.server.read_datagram(), Some("hello".into()));
    assert_eq!(pair.server.read_datagram(), None);
}

#[test]
fn the_length_is_limited_by_the_frame_and_the_record() {
    let mut pair = Pair::new(Config::new(), Config::new().max_record_size(16_382));
    let max = pair.client.max_datagram_length().unwrap();
    // The type has a byte, and the length two.
    assert_eq!(max, 16_382 - 3);
    pair.client.send_datagram(vec![1; max].into());
    pair.client.send_datagram(vec![2; max + 1].into());
    pair.settle();
    assert_eq!(pair.server.read_datagram(), Some(vec![1; max].into()));
    assert_eq!(pair.server.read_datagram(), None);
}

#[test]
fn a_peer_without_datagrams_is_sent_none() {
    let mut pair = Pair::new(Config::new(), Config::new().datagrams(0));
    assert_eq!(pair.client.max_datagram_length(), None);
    pair.client.send_datagram("hello".into());
    pair.settle();
    assert_eq!(pair.server.end(), None);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut pair = Pair::new(Config::new().datagrams(200), Config::new().datagrams(100));
    for length in [36, 37, 35] {
        pair.client.send_datagram(vec![0; length].into());
    }
    assert_eq!(pair.client.dropped_datagrams().outgoing, 1);
    pair.settle();
    let dropped = pair.server.dropped_datagrams();
    assert_eq!(dropped, DroppedDatagrams { outgoing: 0, incoming: 1 });
    assert_eq!(pair.server.read_datagram().unwrap().len(), 36);
    pair.client.send_datagram(vec![0; 30].into());
    pair.settle();
    assert_eq!(pair.server.read_datagram().unwrap().len(), 30);
}
