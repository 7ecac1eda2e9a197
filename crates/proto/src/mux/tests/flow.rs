//! Windows: how much each end sends before the other reads.

use super::*;

/// Limits of small windows that do not grow.
fn windows(stream: u32, session: u32) -> Config {
    Config::new().stream_window(stream).max_stream_window(0).session_window(session)
}

/// Writes as much as the stream takes, and delivers it.
fn send_all(pair: &mut Pair, id: StreamId, mut data: &[u8]) {
    while let Ok(length @ 1..) = pair.client.write(id, data) {
        data = &data[length..];
        pair.settle();
    }
}

/// Returns the length of the data that the server can read.
fn readable(pair: &mut Pair, id: StreamId) -> usize {
    read_all(&mut pair.server, id).len()
}

#[test]
fn a_write_takes_what_fits_the_buffer() {
    let mut pair = Pair::new(Config::new().send_buffer(10), windows(5, 100));
    let id = pair.client.open(BI).unwrap();
    assert_eq!(pair.client.write(id, &[0; 100]), Ok(10));
    assert_eq!(pair.client.write(id, &[0; 100]), Ok(0));
    events(&mut pair.client);
    pair.settle();
    assert_eq!(events(&mut pair.client), [Event::Writable(id)]);
    assert_eq!(pair.client.write(id, &[0; 100]), Ok(5));
}

#[test]
fn a_window_that_always_leaves_a_byte_does_not_enlarge_the_buffer() {
    let buffer = 10_000;
    let config = Config::new().send_buffer(buffer);
    let mut client = end_with_peer(Role::Client, config, windows(1, u32::MAX));
    let id = client.open(UNI).unwrap();
    let (mut written, mut received) = (0, Vec::new());
    for round in 0..1000 {
        let taken = client.write(id, &vec![u8::try_from(round % 256).unwrap(); 20_000]).unwrap();
        written += taken as u64;
        let grant = Frame::MaxStreamData { id, limit: written - 1 };
        client.handle_record(record([grant]), START).unwrap();
        for frame in frames(&mut client) {
            let Frame::Stream { offset, data, .. } = frame else { continue };
            assert_eq!(offset, received.len() as u64);
            received.extend_from_slice(&data);
        }
        assert_eq!(received.len() as u64, written - 1);
        assert!(client.send_memory(id) < 128 << 10, "{}", client.send_memory(id));
    }
    assert!(received.is_sorted_by(|one, two| two.wrapping_sub(*one) <= 1), "in the order written");
}

#[test]
fn streams_that_were_reset_wait_for_no_window() {
    let mut client = end_with_peer(Role::Client, Config::new(), windows(10, 10));
    let holder = client.open(UNI).unwrap();
    client.write(holder, &[0; 10]).unwrap();
    frames(&mut client);
    for limit in 300..1300 {
        let more = Frame::MaxStreams { direction: UNI, limit };
        client.handle_record(record([more]), START).unwrap();
        let id = client.open(UNI).unwrap();
        client.write(id, &[0; 10]).unwrap();
        frames(&mut client);
        assert_eq!((client.blocked_streams(), client.memory()), (1, 10));
        if limit % 2 == 0 {
            client.release_send(id);
        } else {
            let stop = Frame::StopSending { id, code: 1 };
            client.handle_record(record([stop]), START).unwrap();
        }
        let reset = frames(&mut client);
        assert!(matches!(reset[..], [Frame::ResetStream { .. }]), "{reset:?}");
        client.release_send(id);
        assert_eq!((client.blocked_streams(), client.open_streams()), (0, 1));
        assert_eq!(client.memory(), 0);
    }
    // Those that were not reset still take their turn.
    let id = client.open(UNI).unwrap();
    assert_eq!(client.write(id, &[1; 5]), Ok(5));
    frames(&mut client);
    client.handle_record(record([Frame::MaxData(15)]), START).unwrap();
    assert_eq!(frames(&mut client), [stream(id, 0, &[1; 5], false)]);
}

#[test]
fn a_sender_waits_for_the_window_of_the_stream() {
    let mut pair = Pair::new(Config::new(), windows(10, 1000));
    let id = pair.client.open(BI).unwrap();
    assert_eq!(pair.client.write(id, &[0; 25]), Ok(25));
    let first = frames(&mut pair.client);
    let blocked = Frame::StreamDataBlocked { id, limit: 10 };
    assert_eq!(first, [stream(id, 0, &[0; 10], false), blocked]);
    for frame in first {
        pair.server.handle_record(record([frame]), START).unwrap();
    }
    // Less than half of the window is not worth an update.
    assert_eq!(pair.server.read(id, 4), Ok(Received::Data(Bytes::from_static(&[0; 4]))));
    assert_eq!(frames(&mut pair.server), []);
    assert_eq!(pair.server.read(id, 1), Ok(Received::Data(Bytes::from_static(&[0]))));
    let update = Frame::MaxStreamData { id, limit: 15 };
    assert_eq!(frames(&mut pair.server), std::slice::from_ref(&update));
    pair.client.handle_record(record([update]), START).unwrap();
    let blocked = Frame::StreamDataBlocked { id, limit: 15 };
    assert_eq!(frames(&mut pair.client), [stream(id, 10, &[0; 5], false), blocked]);
    // The limit is reported once.
    assert_eq!(pair.client.write(id, &[0; 1]), Ok(1));
    assert_eq!(frames(&mut pair.client), []);
}

#[test]
fn a_sender_waits_for_the_window_of_the_session() {
    let mut pair = Pair::new(Config::new(), windows(10, 15));
    let (one, two) = (pair.client.open(BI).unwrap(), pair.client.open(BI).unwrap());
    assert_eq!(pair.client.write(one, &[1; 10]), Ok(10));
    assert_eq!(pair.client.write(two, &[2; 10]), Ok(10));
    let sent = frames(&mut pair.client);
    let data = [stream(one, 0, &[1; 10], false), stream(two, 0, &[2; 5], false)];
    assert_eq!(sent[..2], data);
    assert_eq!(sent[2..], [Frame::DataBlocked(15)]);
    for frame in sent {
        pair.server.handle_record(record([frame]), START).unwrap();
    }
    assert_eq!(readable(&mut pair, one), 10);
    pair.settle();
    assert_eq!(readable(&mut pair, two), 10);
}

#[test]
fn streams_that_nobody_reads_leave_the_rest_of_the_window_to_others() {
    // More than half of the window is unread, so that no read frees as much as that.
    for unread in [8, 9, 14] {
        let mut pair = Pair::new(Config::new(), windows(14, 15));
        let (stalled, live) = (pair.client.open(BI).unwrap(), pair.client.open(BI).unwrap());
        // Data that was read before may not be announced yet.
        send_all(&mut pair, live, &[1; 3]);
        assert_eq!(readable(&mut pair, live), 3);
        send_all(&mut pair, stalled, &vec![2; unread]);
        for _ in 0..100 {
            send_all(&mut pair, live, &[3]);
            assert_eq!(readable(&mut pair, live), 1, "{unread}");
        }
    }
}

#[test]
fn as_many_streams_as_are_allowed_may_stall() {
    let mut pair = Pair::with_defaults();
    let live = pair.client.open(BI).unwrap();
    let data = vec![0; 128 << 10];
    for direction in [BI, UNI] {
        while let Some(id) = pair.client.open(direction) {
            send_all(&mut pair, id, &data);
        }
    }
    let mut received = 0;
    for _ in 0..100 {
        send_all(&mut pair, live, &data);
        received += readable(&mut pair, live);
        pair.settle();
    }
    assert!(received > 50 * data.len(), "{received}");
}

#[test]
fn the_end_of_a_stream_needs_no_window() {
    let mut pair = Pair::new(Config::new(), windows(10, 10));
    let (one, two) = (pair.client.open(UNI).unwrap(), pair.client.open(UNI).unwrap());
    send_all(&mut pair, one, &[1; 10]);
    pair.client.finish_stream(one).unwrap();
    pair.client.finish_stream(two).unwrap();
    pair.settle();
    assert!(pair.client.is_sent(one) && pair.client.is_sent(two));
}

#[test]
fn a_stalled_stream_does_not_hold_up_another() {
    let mut pair = Pair::with_defaults();
    let (stalled, live) = (pair.client.open(BI).unwrap(), pair.client.open(BI).unwrap());
    let data = vec![0; 4 << 20];
    send_all(&mut pair, stalled, &data);
    let mut received = 0;
    for chunk in data.chunks(100_000) {
        send_all(&mut pair, live, chunk);
        pair.settle();
        received += readable(&mut pair, live);
        pair.settle();
    }
    assert_eq!(received + readable(&mut pair, live), 4 << 20);
    // The stalled stream has filled its own window and nothing more.
    assert_eq!(readable(&mut pair, stalled), 64 << 10);
}

#[test]
fn a_window_grows_while_the_program_keeps_up() {
    let config = Config::new().stream_window(1000).max_stream_window(6000);
    let mut pair = Pair::new(Config::new(), config.session_window(100_000));
    let id = pair.client.open(BI).unwrap();
    let mut arrived = Vec::new();
    for _ in 0..5 {
        pair.client.write(id, &vec![0; 20_000]).unwrap();
        pair.settle();
        arrived.push(readable(&mut pair, id));
    }
    // The first read lets the window grow, and each later one as the sender was blocked again.
    assert_eq!(arrived, [1000, 2000, 4000, 6000, 6000]);
}

#[test]
fn a_window_does_not_grow_for_a_program_that_is_slow() {
    let config = Config::new().stream_window(1000).session_window(100_000);
    let mut pair = Pair::new(Config::new(), config);
    let id = pair.client.open(BI).unwrap();
    pair.client.write(id, &vec![0; 100_000]).unwrap();
    pair.settle();
    for _ in 0..50 {
        // The program leaves a part of the data unread each time.
        assert!(matches!(pair.server.read(id, 500), Ok(Received::Data(_))));
        pair.settle();
    }
    assert_eq!(readable(&mut pair, id), 1000);
}

#[test]
fn all_windows_together_grow_by_half_of_the_window_of_the_session() {
    let config = Config::new().stream_window(1000).session_window(20_000);
    let mut pair = Pair::new(Config::new(), config);
    let ids = [(); 4].map(|()| pair.client.open(BI).unwrap());
    for _ in 0..10 {
        for id in ids {
            pair.client.write(id, &vec![0; 50_000]).unwrap();
            pair.settle();
            readable(&mut pair, id);
            pair.settle();
        }
    }
    for id in ids {
        readable(&mut pair, id);
        pair.client.write(id, &vec![0; 100_000]).unwrap();
    }
    pair.settle();
    let unread: Vec<_> = ids.map(|id| readable(&mut pair, id)).into();
    assert!(unread.iter().sum::<usize>() <= 14_000, "{unread:?}");
    assert!(unread.iter().any(|&length| length >= 4000), "{unread:?}");
    // Streams that end return their growth to the others.
    for id in ids {
        pair.client.reset(id, 0);
    }
    pair.settle();
    let id = pair.client.open(BI).unwrap();
    for _ in 0..10 {
        pair.client.write(id, &vec![0; 50_000]).unwrap();
        pair.settle();
        readable(&mut pair, id);
        pair.settle();
    }
    readable(&mut pair, id);
    pair.client.write(id, &vec![0; 100_000]).unwrap();
    pair.settle();
    assert_eq!(readable(&mut pair, id), 11_000);
}

#[test]
fn unread_data_of_a_reset_stream_counts_as_read() {
    let mut pair = Pair::new(Config::new(), windows(10, 10));
    for _ in 0..10 {
        let id = pair.open(UNI, &[0; 10]);
        pair.client.reset(id, 0);
        pair.settle();
        assert_eq!(pair.server.read(id, 9), Err(ReceiveError::Reset(0)));
    }
}

#[test]
fn unread_data_of_a_stopped_stream_counts_as_read() {
    let mut pair = Pair::new(Config::new(), windows(10, 10));
    for _ in 0..10 {
        let id = pair.open(UNI, &[0; 10]);
        pair.server.stop(id, 0);
        pair.settle();
    }
}

#[test]
fn data_that_a_reset_skips_counts_as_read() {
    let mut server = end_with_peer(Role::Server, windows(10, 10), Config::new());
    for index in 0..10 {
        let id = id(Role::Client, UNI, index);
        let reset = Frame::ResetStream { id, code: 0, final_size: 10 };
        assert_eq!(server.handle_record(record([reset]), START), Ok(()));
        let limit = 10 * (index + 2);
        assert_eq!(frames(&mut server)[0], Frame::MaxData(limit));
    }
}

#[test]
fn data_that_follows_a_reset_is_ignored_and_counts_as_read() {
    let mut server = end_with_peer(Role::Server, windows(10, 10), Config::new());
    let id = id(Role::Client, UNI, 0);
    // The reset states less than was sent, and data that was on its way follows.
    let reset = Frame::ResetStream { id, code: 7, final_size: 2 };
    let first = record([stream(id, 0, b"abc", false), reset, stream(id, 3, b"de", false)]);
    assert_eq!(server.handle_record(first, START), Ok(()));
    assert_eq!(frames(&mut server), [Frame::MaxData(15)]);
    assert_eq!(server.accept(UNI), Some(id));
    assert_eq!(server.read(id, 9), Err(ReceiveError::Reset(7)));
    server.release_receive(id);
    frames(&mut server);
    // The same holds once the stream is gone.
    let late = record([stream(id, 5, &[0; 5], false)]);
    assert_eq!(server.handle_record(late, START), Ok(()));
    assert_eq!(frames(&mut server), [Frame::MaxData(20)]);
    let violation = Violation::SessionFlowControl { total: 21, limit: 20 };
    let late = record([stream(id, 10, &[0; 11], false)]);
    assert_eq!(server.handle_record(late, START), Err(violation));
}

#[test]
fn long_data_is_not_copied() {
    let mut pair = Pair::with_defaults();
    let id = pair.client.open(UNI).unwrap();
    pair.client.write(id, &vec![0; 30_000]).unwrap();
    let sent = pair.client.poll_transmit(START).unwrap();
    let range = sent.as_ptr_range();
    pair.server.handle_record(sent.clone(), START).unwrap();
    let Ok(Received::Data(data)) = pair.server.read(id, usize::MAX) else { panic!() };
    assert!(range.contains(&data.as_ptr()));
    // Short data does not keep the memory of its record.
    pair.client.write(id, b"short").unwrap();
    pair.settle();
    let Ok(Received::Data(data)) = pair.server.read(id, usize::MAX) else { panic!() };
    assert!(!range.contains(&data.as_ptr()));
}

#[test]
fn records_are_as_long_as_the_peer_allows() {
    for (limit, length) in [(16_382, 16_352), (20_000, 19_970), (1 << 20, 32_768)] {
        let mut pair = Pair::new(Config::new(), Config::new().max_record_size(limit));
        let id = pair.client.open(UNI).unwrap();
        pair.client.write(id, &vec![0; 100_000]).unwrap();
        let first = frames(&mut pair.client).remove(0);
        assert_eq!(first, stream(id, 0, &vec![0; length], false));
    }
}
