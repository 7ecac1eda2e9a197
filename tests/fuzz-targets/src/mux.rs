//! A frame that decodes encodes to the same frame. A session accepts any records at any time without
//! a panic, and delivers no byte that did not arrive. A byte stream has the same records at every
//! split.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sockeye_proto::Role;
use sockeye_proto::mux::{Config, Direction, Frame, Framing, Multiplexer, Received, StreamId};

const STREAM_WINDOW: u32 = 100;
const SESSION_WINDOW: u32 = 300;
const MAX_STREAMS: u32 = 4;

/// Checks one input: steps, each with a byte that selects what happens, the length of its argument
/// and the argument.
pub fn check(input: &[u8]) {
    decode_records(input);
    let config = Config::new()
        .stream_window(STREAM_WINDOW)
        .session_window(SESSION_WINDOW)
        .send_buffer(100)
        .max_bi_streams(MAX_STREAMS)
        .max_uni_streams(MAX_STREAMS)
        .datagrams(200);
    let mut now = Duration::ZERO;
    let mut server = Multiplexer::new(Role::Server, config, Framing::Messages, now);
    let (mut arrived, mut read) = (0, 0);
    let mut streams: Vec<StreamId> = Vec::new();
    let mut rest = input;
    while let [step, length, tail @ ..] = rest {
        let (argument, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        let stream = usize::from(*length).checked_rem(streams.len()).map(|index| streams[index]);
        match (step % 12, stream) {
            (0..=3, _) => arrived += handle(&mut server, argument, now),
            (4, _) => streams.extend(server.open(Direction::Bidirectional)),
            (5, _) => streams.extend(server.open(Direction::Unidirectional)),
            (6, _) => now += Duration::from_millis(argument.len() as u64 * 100),
            (7, _) => server.send_datagram(Bytes::copy_from_slice(argument)),
            (8, Some(id)) => drop(server.write(id, argument)),
            (9, Some(id)) => {
                if let Ok(Received::Data(data)) = server.read(id, argument.len()) {
                    read += data.len();
                }
            }
            (10, Some(id)) => act(&mut server, id, argument),
            _ => drop(server.read_datagram()),
        }
        server.handle_timeout(now);
        for direction in [Direction::Bidirectional, Direction::Unidirectional] {
            streams.extend(std::iter::from_fn(|| server.accept(direction)));
        }
        while let Some(record) = server.poll_transmit(now) {
            check_frames(record);
        }
        while server.poll_event().is_some() {}
        assert!(read <= arrived);
    }
}

/// Ends a half of a stream.
fn act(server: &mut Multiplexer, id: StreamId, argument: &[u8]) {
    match argument.first().map_or(0, |byte| byte % 6) {
        0 => drop(server.finish_stream(id)),
        1 => server.reset(id, 1),
        2 => server.stop(id, 1),
        3 => server.release_send(id),
        4 => server.release_receive(id),
        _ => server.set_priority(id, i32::from(argument[0])),
    }
}

/// Passes a record to the session, and returns the length of the stream data in it.
fn handle(server: &mut Multiplexer, record: &[u8], now: Duration) -> usize {
    let record = Bytes::copy_from_slice(record);
    let mut frames = record.clone();
    let mut length = 0;
    while let Some(Ok(frame)) = (!frames.is_empty()).then(|| Frame::decode(&mut frames)) {
        if let Frame::Stream { data, .. } = &frame {
            length += data.len();
        }
        check_encoding(frame);
    }
    // An error ends the session, and the invariants hold in any case.
    let _ = server.handle_record(record, now);
    length
}

fn check_frames(mut record: Bytes) {
    while !record.is_empty() {
        check_encoding(Frame::decode(&mut record).expect("an own frame is valid"));
    }
}

fn check_encoding(frame: Frame) {
    let mut encoded = Vec::new();
    frame.encode(&mut encoded);
    let mut encoded = Bytes::from(encoded);
    let again = Frame::decode(&mut encoded);
    // A long reason is cut.
    let is_close = matches!(frame, Frame::ConnectionClose { .. } | Frame::ApplicationClose { .. });
    assert!(encoded.is_empty());
    assert!(again == Ok(frame) || is_close);
}

/// Divides the input into the records of a byte stream, whole and byte by byte.
fn decode_records(input: &[u8]) {
    let config = Config::new();
    let server = Multiplexer::new(Role::Server, config, Framing::ByteStream, Duration::ZERO);
    let decoder = server.decoder();
    let mut whole = BytesMut::from(input);
    let mut records = Vec::new();
    let end = loop {
        match decoder.decode(&mut whole) {
            Ok(Some(record)) => records.push(record),
            other => break other,
        }
    };
    let (mut bytewise, mut count) = (BytesMut::new(), 0);
    for &byte in input {
        bytewise.extend_from_slice(&[byte]);
        loop {
            match decoder.decode(&mut bytewise) {
                Ok(Some(record)) => {
                    assert_eq!(record, records[count]);
                    count += 1;
                }
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(end, Err(violation));
                    return;
                }
            }
        }
    }
    assert_eq!((count, bytewise), (records.len(), whole));
}
