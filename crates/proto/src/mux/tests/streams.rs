//! The life of a stream.

use super::super::SendError;
use super::*;

#[test]
fn a_stream_carries_data_in_both_directions() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"question");
    assert_eq!(read_all(&mut pair.server, id), b"question");
    assert_eq!(pair.server.write(id, b"answer"), Ok(6));
    pair.settle();
    assert_eq!(read_all(&mut pair.client, id), b"answer");
}

#[test]
fn each_direction_ends_on_its_own() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"question");
    assert_eq!(pair.client.finish_stream(id), Ok(()));
    assert_eq!(pair.client.write(id, b"more"), Err(SendError::Finished));
    assert_eq!(pair.client.finish_stream(id), Err(SendError::Finished));
    pair.settle();
    assert_eq!(read_all(&mut pair.server, id), b"question");
    assert_eq!(pair.server.read(id, 9), Ok(Received::End));
    assert_eq!(pair.server.write(id, b"answer"), Ok(6));
    pair.settle();
    assert_eq!(read_all(&mut pair.client, id), b"answer");
    assert_eq!(pair.client.read(id, 9), Ok(Received::Blocked));
}

#[test]
fn streams_are_accepted_in_the_order_of_their_numbers() {
    let mut server = server();
    let ids = [0, 1, 2].map(|index| id(Role::Client, BI, index));
    // The third stream opens those before it.
    let third = record([stream(ids[2], 0, b"third", false)]);
    server.handle_record(third, START).unwrap();
    assert_eq!(events(&mut server)[0], Event::Opened(BI));
    for id in ids {
        assert_eq!(server.accept(BI), Some(id));
    }
    assert_eq!(server.accept(BI), None);
    assert_eq!(server.read(ids[0], 9), Ok(Received::Blocked));
    assert_eq!(read_all(&mut server, ids[2]), b"third");
}

#[test]
fn a_reset_discards_what_was_not_sent_and_what_was_not_read() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"sent");
    assert_eq!(pair.client.write(id, b"not sent"), Ok(8));
    pair.client.reset(id, 42);
    assert_eq!(pair.client.write(id, b"more"), Err(SendError::Finished));
    let frames = frames(&mut pair.client);
    assert_eq!(frames, [Frame::ResetStream { id, code: 42, final_size: 4 }]);
    assert!(pair.client.is_sent(id));
    pair.server.handle_record(record([frames[0].clone()]), START).unwrap();
    assert_eq!(pair.server.read(id, 9), Err(ReceiveError::Reset(42)));
}

#[test]
fn a_reset_after_the_end_was_sent_has_no_effect() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(UNI, b"all");
    pair.client.finish_stream(id).unwrap();
    pair.settle();
    pair.client.reset(id, 42);
    assert_eq!(frames(&mut pair.client), []);
    assert_eq!(read_all(&mut pair.server, id), b"all");
    assert_eq!(pair.server.read(id, 9), Ok(Received::End));
}

#[test]
fn a_reset_that_follows_all_data_is_ignored() {
    let mut server = server();
    let id = id(Role::Client, UNI, 0);
    let reset = Frame::ResetStream { id, code: 1, final_size: 3 };
    server.handle_record(record([stream(id, 0, b"abc", true), reset]), START).unwrap();
    assert_eq!(read_all(&mut server, id), b"abc");
    assert_eq!(server.read(id, 9), Ok(Received::End));
}

#[test]
fn a_stopped_stream_is_reset_with_the_same_code() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"data");
    pair.server.stop(id, 7);
    assert_eq!(pair.server.read(id, 9), Err(ReceiveError::Stopped));
    events(&mut pair.client);
    pair.deliver_to_client();
    assert_eq!(events(&mut pair.client), [Event::Writable(id)]);
    assert_eq!(pair.client.stopped(id), Some(7));
    assert_eq!(pair.client.write(id, b"more"), Err(SendError::Stopped(7)));
    let reset = Frame::ResetStream { id, code: 7, final_size: 4 };
    assert_eq!(frames(&mut pair.client), [reset]);
}

#[test]
fn data_that_crosses_a_stop_is_discarded() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"data");
    pair.server.stop(id, 7);
    assert_eq!(pair.client.write(id, b"crossing"), Ok(8));
    pair.deliver_to_server();
    pair.settle();
    assert_eq!(pair.server.read(id, 9), Err(ReceiveError::Stopped));
    assert_eq!(pair.server.end(), None);
}

#[test]
fn a_stream_that_is_stopped_unsent_is_announced_first() {
    let mut pair = Pair::with_defaults();
    let id = pair.client.open(BI).unwrap();
    pair.client.stop(id, 7);
    let frames = frames(&mut pair.client);
    assert_eq!(frames, [stream(id, 0, b"", false), Frame::StopSending { id, code: 7 }]);
}

#[test]
fn a_dropped_stream_is_reset_and_stopped() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"data");
    pair.server.release_send(id);
    pair.server.release_receive(id);
    let mut frames = frames(&mut pair.server);
    frames.sort_by_key(|frame| matches!(frame, Frame::StopSending { .. }));
    let reset = Frame::ResetStream { id, code: 0, final_size: 0 };
    assert_eq!(frames, [reset, Frame::StopSending { id, code: 0 }]);
}

#[test]
fn a_finished_stream_that_is_dropped_is_delivered() {
    let mut pair = Pair::with_defaults();
    let id = pair.client.open(UNI).unwrap();
    pair.client.write(id, b"data").unwrap();
    pair.client.finish_stream(id).unwrap();
    pair.client.release_send(id);
    pair.settle();
    assert_eq!(pair.server.accept(UNI), Some(id));
    assert_eq!(read_all(&mut pair.server, id), b"data");
    assert_eq!(pair.server.read(id, 9), Ok(Received::End));
}

#[test]
fn frames_for_a_stream_that_is_gone_are_ignored() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(UNI, b"data");
    pair.client.finish_stream(id).unwrap();
    pair.client.release_send(id);
    pair.settle();
    for frame in [Frame::StopSending { id, code: 1 }, Frame::MaxStreamData { id, limit: 1 << 30 }] {
        assert_eq!(pair.client.handle_record(record([frame]), START), Ok(()));
    }
    assert_eq!(frames(&mut pair.client), []);
}

#[test]
fn short_writes_are_sent_in_one_frame() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(UNI, b"first");
    for _ in 0..100 {
        pair.client.write(id, b"ab").unwrap();
    }
    pair.client.finish_stream(id).unwrap();
    assert_eq!(frames(&mut pair.client), [stream(id, 5, &b"ab".repeat(100), true)]);
}

#[test]
fn a_read_takes_no_more_than_it_asks_for() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(UNI, b"abcde");
    assert_eq!(pair.server.read(id, 2), Ok(Received::Data("ab".into())));
    assert_eq!(pair.server.read(id, 0), Ok(Received::Data("c".into())));
    assert_eq!(pair.server.read(id, 9), Ok(Received::Data("de".into())));
}
