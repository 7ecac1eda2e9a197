//! The two forms of records.

use bytes::BytesMut;

use super::super::{SessionEnd, varint};
use super::*;

fn both_ends() -> [Multiplexer; 2] {
    [Role::Client, Role::Server]
        .map(|role| Multiplexer::new(role, Config::new(), Framing::ByteStream, START))
}

#[test]
fn frames_have_the_encoding_of_the_drafts() {
    let id = id(Role::Client, BI, 1);
    for (frame, bytes) in [
        (stream(id, 0, b"ab", false), &[0x0e, 4, 0, 2, b'a', b'b'][..]),
        (stream(id, 64, b"", true), &[0x0f, 4, 0x40, 64, 0]),
        (Frame::ResetStream { id, code: 5, final_size: 6 }, &[4, 4, 5, 6]),
        (Frame::StopSending { id, code: 5 }, &[5, 4, 5]),
        (Frame::MaxData(7), &[0x10, 7]),
        (Frame::MaxStreamData { id, limit: 7 }, &[0x11, 4, 7]),
        (Frame::MaxStreams { direction: BI, limit: 7 }, &[0x12, 7]),
        (Frame::MaxStreams { direction: UNI, limit: 7 }, &[0x13, 7]),
        (Frame::DataBlocked(7), &[0x14, 7]),
        (Frame::StreamDataBlocked { id, limit: 7 }, &[0x15, 4, 7]),
        (Frame::StreamsBlocked { direction: BI, limit: 7 }, &[0x16, 7]),
        (Frame::StreamsBlocked { direction: UNI, limit: 7 }, &[0x17, 7]),
        (Frame::ApplicationClose { code: 9, reason: "no".into() }, &[0x1d, 9, 2, b'n', b'o']),
        (Frame::Datagram("d".into()), &[0x31, 1, b'd']),
        (Frame::Ping { sequence: 3 }, &[0xf4, 0x8c, 0x67, 0x52, 0x9e, 0xf8, 0xc7, 0xbd, 3]),
        (Frame::Pong { sequence: 3 }, &[0xf4, 0x8c, 0x67, 0x52, 0x9e, 0xf8, 0xc7, 0xbe, 3]),
    ] {
        let mut encoded = record([frame.clone()]);
        assert_eq!(encoded, bytes);
        assert_eq!(Frame::decode(&mut encoded), Ok(frame));
        assert!(encoded.is_empty());
    }
}

#[test]
fn a_frame_without_a_length_takes_the_rest_of_the_record() {
    let id = id(Role::Client, BI, 0);
    let mut record = Bytes::from_static(&[0x08, 0, b'a', b'b']);
    assert_eq!(Frame::decode(&mut record), Ok(stream(id, 0, b"ab", false)));
    let mut record = Bytes::from_static(&[0x30, b'a', b'b']);
    assert_eq!(Frame::decode(&mut record), Ok(Frame::Datagram("ab".into())));
}

#[test]
fn an_empty_record_has_no_effect() {
    let mut end = server();
    assert_eq!(end.handle_record(Bytes::new(), START), Ok(()));
    assert_eq!(events(&mut end), []);
}

/// Sends on two streams and a datagram over a byte stream, which arrives in the given pieces.
fn exchange(mut pieces: impl FnMut(&[u8]) -> Vec<Vec<u8>>) -> (Vec<u8>, Vec<u8>, Vec<Event>) {
    let [mut client, mut server] = both_ends();
    let parameters = server.poll_transmit(START).unwrap();
    let decoder = client.decoder();
    let mut input = BytesMut::from(&parameters[..]);
    let first = decoder.decode(&mut input).unwrap().unwrap();
    client.handle_record(first, START).unwrap();

    let (one, two) = (client.open(BI).unwrap(), client.open(UNI).unwrap());
    client.write(one, b"the first stream").unwrap();
    client.write(two, &[7; 100]).unwrap();
    client.finish_stream(two).unwrap();
    client.send_datagram("a datagram".into());
    let mut wire = Vec::new();
    while let Some(record) = client.poll_transmit(START) {
        wire.extend_from_slice(&record);
    }

    let (decoder, mut input) = (server.decoder(), BytesMut::new());
    for piece in pieces(&wire) {
        input.extend_from_slice(&piece);
        while let Some(record) = decoder.decode(&mut input).unwrap() {
            server.handle_record(record, START).unwrap();
        }
    }
    assert!(input.is_empty());
    assert_eq!(server.read_datagram(), Some("a datagram".into()));
    let events = events(&mut server);
    (read_all(&mut server, one), read_all(&mut server, two), events)
}

#[test]
fn records_on_a_byte_stream_are_the_same_at_every_split() {
    let whole = exchange(|wire| vec![wire.to_vec()]);
    assert_eq!(whole.0, b"the first stream");
    assert_eq!(whole.1, [7; 100]);
    let mut length = 0;
    let bytewise = exchange(|wire| {
        length = wire.len();
        wire.iter().map(|&byte| vec![byte]).collect()
    });
    assert_eq!(bytewise, whole);
    for at in 1..length {
        let (front, back) = (|wire: &[u8]| wire[..at].to_vec(), |wire: &[u8]| wire[at..].to_vec());
        assert_eq!(exchange(|wire| vec![front(wire), back(wire)]), whole);
    }
}

#[test]
fn a_record_that_announces_too_much_is_refused_before_it_arrives() {
    let [_, server] = both_ends();
    // 2^30 bytes.
    let mut input = BytesMut::from(&[0xc0, 0, 0, 0, 0x40, 0, 0, 0][..]);
    let capacity = input.capacity();
    let violation = Violation::RecordTooLong { length: 1 << 30, limit: 65_536 };
    assert_eq!(server.decoder().decode(&mut input), Err(violation));
    assert_eq!(input.capacity(), capacity);
}

#[test]
fn the_first_bytes_on_the_wire_identify_the_protocol() {
    let [mut client, _] = both_ends();
    let record = client.poll_transmit(START).unwrap();
    let (length, prefix) = varint::peek(&record).unwrap();
    assert_eq!(length, (record.len() - prefix) as u64);
    assert_eq!(&record[prefix..prefix + 8], b"\xffQS0\r\n\r\n");
}

#[test]
fn a_reason_is_cut_at_a_character() {
    let mut pair = Pair::with_defaults();
    let reason = "é".repeat(600);
    pair.client.close(7, &format!("x{reason}"));
    pair.deliver_to_server();
    let expected = format!("x{}", "é".repeat(511));
    let end = SessionEnd::ClosedByPeer { code: 7, reason: expected };
    assert_eq!(pair.server.end(), Some(&end));
}
