//! Limits of streams.

use super::*;

fn few_streams() -> Config {
    Config::new().max_bi_streams(2).max_uni_streams(1)
}

#[test]
fn a_stream_is_opened_when_another_has_closed() {
    let mut pair = Pair::new(Config::new(), few_streams());
    let id = pair.open(UNI, b"first");
    assert_eq!(pair.client.open(UNI), None);
    assert_eq!(frames(&mut pair.client), [Frame::StreamsBlocked { direction: UNI, limit: 1 }]);
    // The limit is reported once.
    assert_eq!(pair.client.open(UNI), None);
    assert_eq!(frames(&mut pair.client), []);

    pair.client.finish_stream(id).unwrap();
    pair.settle();
    assert_eq!(pair.client.open(UNI), None);
    events(&mut pair.client);
    assert_eq!(read_all(&mut pair.server, id), b"first");
    pair.settle();
    assert_eq!(events(&mut pair.client), [Event::Available(UNI)]);
    pair.open(UNI, b"second");
}

#[test]
fn a_bidirectional_stream_closes_when_both_directions_have_ended() {
    let mut pair = Pair::new(Config::new(), few_streams());
    let id = pair.open(BI, b"question");
    pair.open(BI, b"another");
    pair.client.finish_stream(id).unwrap();
    pair.settle();
    read_all(&mut pair.server, id);
    pair.settle();
    assert_eq!(pair.client.open(BI), None);
    pair.server.finish_stream(id).unwrap();
    pair.settle();
    assert!(pair.client.open(BI).is_some());
}

#[test]
fn a_stream_that_was_not_accepted_counts_as_open() {
    let mut pair = Pair::new(Config::new(), few_streams());
    let id = pair.client.open(UNI).unwrap();
    pair.client.reset(id, 1);
    pair.settle();
    assert_eq!(pair.client.open(UNI), None);
    assert_eq!(pair.server.accept(UNI), Some(id));
    pair.settle();
    assert!(pair.client.open(UNI).is_some());
    assert_eq!(pair.server.read(id, 9), Err(ReceiveError::Reset(1)));
}

#[test]
fn streams_are_opened_and_closed_without_end() {
    let mut pair = Pair::new(few_streams(), few_streams());
    for _ in 0..1000 {
        let id = pair.open(BI, b"question");
        pair.client.finish_stream(id).unwrap();
        pair.settle();
        assert_eq!(read_all(&mut pair.server, id), b"question");
        pair.server.write(id, b"answer").unwrap();
        pair.server.finish_stream(id).unwrap();
        pair.server.release_send(id);
        pair.server.release_receive(id);
        pair.settle();
        assert_eq!(read_all(&mut pair.client, id), b"answer");
        pair.client.release_send(id);
        pair.client.release_receive(id);
        pair.settle();
        events(&mut pair.client);
        events(&mut pair.server);
        assert_eq!(pair.client.open_streams() + pair.server.open_streams(), 0);
        assert_eq!(pair.client.memory() + pair.server.memory(), 0);
    }
}

#[test]
fn no_stream_is_opened_before_the_limits_are_known() {
    let mut client = Multiplexer::new(Role::Client, Config::new(), Framing::Messages, START);
    assert_eq!(client.open(BI), None);
    assert_eq!(client.max_datagram_length(), None);
}

#[test]
fn a_lower_limit_has_no_effect() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"data");
    for frame in [
        Frame::MaxData(1),
        Frame::MaxStreamData { id, limit: 1 },
        Frame::MaxStreams { direction: BI, limit: 1 },
    ] {
        pair.client.handle_record(record([frame]), START).unwrap();
    }
    assert_eq!(pair.client.write(id, b"more"), Ok(4));
    assert_eq!(frames(&mut pair.client), [stream(id, 4, b"more", false)]);
    assert!(pair.client.open(BI).is_some());
}
