//! Each broken rule ends the session with its own violation, and the peer is told its code.

use super::*;

const CLIENT_BI: StreamId = id(Role::Client, BI, 0);
const CLIENT_UNI: StreamId = id(Role::Client, UNI, 0);
const SERVER_BI: StreamId = id(Role::Server, BI, 0);
const SERVER_UNI: StreamId = id(Role::Server, UNI, 0);

/// Passes a record to a server, and checks the violation and the notice.
#[track_caller]
fn breaks(record: Bytes, violation: Violation) {
    breaks_at(&mut server(), record, violation);
}

#[track_caller]
fn breaks_at(end: &mut Multiplexer, record: Bytes, violation: Violation) {
    assert_eq!(end.handle_record(record, START), Err(violation));
    assert_eq!(end.end(), Some(&super::super::SessionEnd::Violation(violation)));
    let notice = Frame::ConnectionClose { code: violation.code(), reason: violation.to_string() };
    assert_eq!(frames(end), [notice]);
    assert!(end.is_flushed());
}

/// Opens a stream in each direction at a server.
fn server_with_streams() -> Multiplexer {
    let mut end = server();
    assert_eq!(end.open(BI), Some(SERVER_BI));
    assert_eq!(end.open(UNI), Some(SERVER_UNI));
    end
}

#[test]
fn a_frame_ends_within_its_record() {
    for frame in [
        stream(CLIENT_BI, 0, b"data", true),
        Frame::ResetStream { id: CLIENT_BI, code: 1, final_size: 2 },
        Frame::StopSending { id: CLIENT_BI, code: 1 },
        Frame::MaxData(1),
        Frame::MaxStreamData { id: CLIENT_BI, limit: 1 },
        Frame::MaxStreams { direction: BI, limit: 1 },
        Frame::ConnectionClose { code: super::super::ErrorCode(1), reason: "reason".into() },
        Frame::ApplicationClose { code: 1, reason: "reason".into() },
        Frame::Datagram("datagram".into()),
        Frame::Ping { sequence: 1 },
    ] {
        let whole = record([frame]);
        for end in 1..whole.len() {
            breaks(whole.slice(..end), Violation::Truncated);
        }
    }
}

#[test]
fn a_length_beyond_the_record_is_refused() {
    // A datagram of 2^62 - 1 bytes, and stream data of 2^62 - 1 bytes.
    breaks(
        Bytes::from_static(&[0x31, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Violation::Truncated,
    );
    breaks(
        Bytes::from_static(&[0x0a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Violation::Truncated,
    );
}

#[test]
fn a_record_is_limited() {
    let limit = 16_382;
    let mut end = end_with_peer(Role::Server, Config::new().max_record_size(limit), Config::new());
    assert_eq!(end.handle_record(vec![0; limit as usize].into(), START), Ok(()));
    let violation = Violation::RecordTooLong { length: 16_383, limit: 16_382 };
    breaks_at(&mut end, vec![0; limit as usize + 1].into(), violation);
}

#[test]
fn frames_of_quic_that_qmux_prohibits_are_refused() {
    for kind in [0x01, 0x02, 0x03, 0x06, 0x07, 0x18, 0x19, 0x1a, 0x1b, 0x1e] {
        breaks(vec![kind, 0, 0, 0].into(), Violation::ProhibitedFrame { kind: kind.into() });
    }
}

#[test]
fn unknown_frames_are_refused() {
    // Among them RESET_STREAM_AT, an extension that this end does not negotiate.
    for kind in [0x1f, 0x20, 0x24, 0x2f, 0x32, 0x3f] {
        breaks(vec![kind, 0, 0, 0].into(), Violation::UnknownFrame { kind: kind.into() });
    }
}

#[test]
fn a_stream_is_opened_within_the_limit() {
    let config = Config::new().max_bi_streams(2).max_uni_streams(1);
    for (direction, limit) in [(BI, 2), (UNI, 1)] {
        let mut end = end_with_peer(Role::Server, config, Config::new());
        let last = id(Role::Client, direction, limit - 1);
        assert_eq!(end.handle_record(record([stream(last, 0, b"", false)]), START), Ok(()));
        let first = id(Role::Client, direction, limit);
        let opens = record([stream(first, 0, b"", false)]);
        breaks_at(&mut end, opens, Violation::StreamLimit { id: first, limit });
    }
}

#[test]
fn a_limit_of_streams_has_a_maximum() {
    let limit = (1 << 60) + 1;
    for direction in [BI, UNI] {
        breaks(record([Frame::MaxStreams { direction, limit }]), Violation::StreamCount { limit });
        let blocked = Frame::StreamsBlocked { direction, limit };
        breaks(record([blocked]), Violation::StreamCount { limit });
    }
}

#[test]
fn a_stream_of_this_end_must_be_open() {
    let violation = Violation::StreamNotOpened { id: SERVER_BI };
    breaks(record([stream(SERVER_BI, 0, b"data", false)]), violation);
    breaks(record([Frame::ResetStream { id: SERVER_BI, code: 0, final_size: 0 }]), violation);
    breaks(record([Frame::StopSending { id: SERVER_BI, code: 0 }]), violation);
    breaks(record([Frame::MaxStreamData { id: SERVER_BI, limit: 9 }]), violation);
    breaks(record([Frame::StreamDataBlocked { id: SERVER_BI, limit: 9 }]), violation);
}

#[test]
fn a_receiver_sends_no_data() {
    let violation = Violation::NotTheSender { id: SERVER_UNI };
    for frame in [
        stream(SERVER_UNI, 0, b"data", false),
        Frame::ResetStream { id: SERVER_UNI, code: 0, final_size: 0 },
        Frame::StreamDataBlocked { id: SERVER_UNI, limit: 9 },
    ] {
        breaks_at(&mut server_with_streams(), record([frame]), violation);
    }
}

#[test]
fn a_sender_states_no_limit() {
    let violation = Violation::NotTheReceiver { id: CLIENT_UNI };
    breaks(record([Frame::MaxStreamData { id: CLIENT_UNI, limit: 9 }]), violation);
    breaks(record([Frame::StopSending { id: CLIENT_UNI, code: 9 }]), violation);
}

#[test]
fn data_is_in_order() {
    for offset in [2, 4, 1 << 40] {
        let violation = Violation::OutOfOrder { id: CLIENT_BI, offset, expected: 3 };
        let data =
            record([stream(CLIENT_BI, 0, b"abc", false), stream(CLIENT_BI, offset, b"d", false)]);
        breaks(data, violation);
    }
    let violation = Violation::OutOfOrder { id: CLIENT_BI, offset: 1, expected: 0 };
    breaks(record([stream(CLIENT_BI, 1, b"", true)]), violation);
}

#[test]
fn data_ends_at_the_last_offset() {
    let data = record([stream(CLIENT_BI, (1 << 62) - 1, b"x", false)]);
    breaks(data, Violation::StreamTooLong { id: CLIENT_BI });
}

#[test]
fn data_is_within_the_window_of_the_stream() {
    let mut end = end_with_peer(Role::Server, Config::new().stream_window(10), Config::new());
    let whole = record([stream(CLIENT_BI, 0, &[0; 10], false)]);
    assert_eq!(end.handle_record(whole, START), Ok(()));
    let violation = Violation::StreamFlowControl { id: CLIENT_BI, end: 11, limit: 10 };
    breaks_at(&mut end, record([stream(CLIENT_BI, 10, b"x", false)]), violation);
}

#[test]
fn a_final_size_is_within_the_window_of_the_stream() {
    let mut end = end_with_peer(Role::Server, Config::new().stream_window(10), Config::new());
    let reset = Frame::ResetStream { id: CLIENT_BI, code: 0, final_size: 11 };
    let violation = Violation::StreamFlowControl { id: CLIENT_BI, end: 11, limit: 10 };
    breaks_at(&mut end, record([reset]), violation);
}

#[test]
fn data_is_within_the_window_of_the_session() {
    let config = Config::new().stream_window(10).session_window(15);
    let other = id(Role::Client, BI, 1);
    let mut end = end_with_peer(Role::Server, config, Config::new());
    let first = record([stream(CLIENT_BI, 0, &[0; 10], false), stream(other, 0, &[0; 5], false)]);
    assert_eq!(end.handle_record(first, START), Ok(()));
    let violation = Violation::SessionFlowControl { total: 16, limit: 15 };
    breaks_at(&mut end, record([stream(other, 5, b"x", false)]), violation);
}

#[test]
fn a_final_size_is_within_the_window_of_the_session() {
    let config = Config::new().stream_window(10).session_window(15);
    let mut end = end_with_peer(Role::Server, config, Config::new());
    let data = record([stream(CLIENT_BI, 0, &[0; 10], false)]);
    assert_eq!(end.handle_record(data, START), Ok(()));
    let reset = Frame::ResetStream { id: id(Role::Client, UNI, 0), code: 0, final_size: 6 };
    let violation = Violation::SessionFlowControl { total: 16, limit: 15 };
    breaks_at(&mut end, record([reset]), violation);
}

#[test]
fn a_final_size_does_not_change() {
    let end = stream(CLIENT_BI, 0, b"abc", true);
    for stated in [2, 4] {
        let reset = Frame::ResetStream { id: CLIENT_BI, code: 0, final_size: stated };
        let violation = Violation::FinalSize { id: CLIENT_BI, stated, received: 3 };
        breaks(record([end.clone(), reset]), violation);
    }
}

#[test]
fn no_data_follows_the_end() {
    let violation = Violation::AfterEnd { id: CLIENT_BI };
    let late = stream(CLIENT_BI, 3, b"d", false);
    breaks(record([stream(CLIENT_BI, 0, b"abc", true), late]), violation);
    breaks(
        record([stream(CLIENT_BI, 0, b"abc", true), stream(CLIENT_BI, 2, b"", true)]),
        violation,
    );
}

#[test]
fn pings_are_numbered_upwards() {
    let pings = record([Frame::Ping { sequence: 7 }, Frame::Ping { sequence: 7 }]);
    breaks(pings, Violation::PingOrder { sequence: 7, previous: 7 });
    breaks(record([Frame::Pong { sequence: 0 }]), Violation::UnknownPing { sequence: 0 });
}

#[test]
fn datagrams_are_refused_where_none_are_accepted() {
    let mut end = end_with_peer(Role::Server, Config::new().datagrams(0), Config::new());
    breaks_at(&mut end, record([Frame::Datagram("x".into())]), Violation::DatagramRefused);
}

#[test]
fn parameters_are_the_first_frame_and_the_only_one() {
    let mut end = Multiplexer::new(Role::Server, Config::new(), Framing::Messages, START);
    end.poll_transmit(START).unwrap();
    breaks_at(&mut end, record([Frame::MaxData(1)]), Violation::ParametersExpected);
    let parameters = Frame::Parameters(super::super::TransportParameters::default());
    breaks(record([parameters]), Violation::ParametersRepeated);
}

/// Passes the content of a parameters frame to a new end.
#[track_caller]
fn breaks_with_parameters(content: &[u8], violation: Violation) {
    let mut end = Multiplexer::new(Role::Server, Config::new(), Framing::Messages, START);
    end.poll_transmit(START).unwrap();
    let mut frame = vec![0xff, b'Q', b'S', b'0', b'\r', b'\n', b'\r', b'\n'];
    frame.push(u8::try_from(content.len()).unwrap());
    frame.extend_from_slice(content);
    breaks_at(&mut end, frame.into(), violation);
}

#[test]
fn parameters_are_well_formed() {
    for content in [&[4][..], &[4, 2, 1], &[4, 1], &[4, 0], &[4, 2, 1, 1], &[4, 1, 0x40]] {
        breaks_with_parameters(content, Violation::MalformedParameters);
    }
}

#[test]
fn parameters_that_qmux_prohibits_are_refused() {
    for id in [0x00, 0x02, 0x03, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10] {
        let violation = Violation::ProhibitedParameter { id: id.into() };
        breaks_with_parameters(&[id, 1, 1], violation);
    }
}

#[test]
fn a_parameter_occurs_once() {
    breaks_with_parameters(&[4, 1, 1, 4, 1, 1], Violation::DuplicateParameter { id: 4 });
}

#[test]
fn a_parameter_is_within_its_range() {
    let streams = [8, 8, 0xd0, 0, 0, 0, 0, 0, 0, 1];
    breaks_with_parameters(&streams, Violation::ParameterValue { id: 8, value: (1 << 60) + 1 });
    let record_size = [0xc5, 0x71, 0xc5, 0x94, 0x29, 0xcd, 0x08, 0x45, 2, 0x7f, 0xfd];
    let id = 0x0571_c594_29cd_0845;
    breaks_with_parameters(&record_size, Violation::ParameterValue { id, value: 16_381 });
}

#[test]
fn unknown_parameters_are_ignored() {
    let mut end = Multiplexer::new(Role::Server, Config::new(), Framing::Messages, START);
    // `reset_stream_at`, which is empty, one of no meaning, and the limit of streams.
    let mut frame = vec![0xff, b'Q', b'S', b'0', b'\r', b'\n', b'\r', b'\n', 8];
    frame.extend_from_slice(&[0x1d, 0, 0x21, 1, 0, 0x09, 1, 1]);
    assert_eq!(end.handle_record(frame.into(), START), Ok(()));
    assert_eq!(end.open(BI), None);
    assert_eq!(end.open(UNI), Some(SERVER_UNI));
}
