//! The rules of the protocol, one by one.

use super::super::{EndReason, FrameError, Position};
use super::*;

const ZERO: Duration = Duration::ZERO;

/// Returns a pair that has exchanged the first frames.
fn open(limits: Limits) -> Pair {
    let mut pair = Pair::new(limits, limits);
    pair.settle().unwrap();
    pair
}

#[test]
fn frames_decode_to_what_was_encoded_and_at_no_other_length() {
    let position = Position { received: 9, read: 8 };
    let frames = [
        Frame::Hello { window: 1 },
        Frame::Welcome { token: TOKEN, window: 2, expiry: 3 },
        Frame::Attach(Attach { token: TOKEN, attempt: 4, position }),
        Frame::Attached(position),
        Frame::Data { offset: 5, data: b"x" },
        Frame::Ack { read: 6 },
        Frame::Fin { offset: 7 },
        Frame::End(EndReason::GAP),
    ];
    for frame in frames {
        let bytes = frame.encode();
        assert_eq!(Frame::decode(&bytes), Ok(frame));
        for length in 1..bytes.len() {
            let error = FrameError::Length { kind: frame.kind(), length };
            assert_eq!(Frame::decode(&bytes[..length]), Err(error));
        }
        if !matches!(frame, Frame::Data { .. }) {
            let error = FrameError::Length { kind: frame.kind(), length: bytes.len() + 1 };
            assert_eq!(Frame::decode(&[&bytes[..], &[0]].concat()), Err(error));
        }
    }
    assert_eq!(Frame::decode(b""), Err(FrameError::Empty));
    assert_eq!(Frame::decode(&[9]), Err(FrameError::UnknownType { kind: 9 }));
    assert_eq!(Frame::decode(&[1, 0, 0, 0, 0]), Err(FrameError::NoWindow));
}

#[test]
fn a_full_buffer_takes_no_more_until_the_other_program_reads() {
    let mut pair = open(Limits::new().buffer(100).window(60));
    assert_eq!(pair.client.write(&[1; 200]), 100);
    pair.transmit();
    while pair.deliver_to_server().unwrap() {}
    // The window is full, and the rest of the buffer waits.
    assert!(!pair.transmit());
    assert_eq!(pair.client.write_capacity(), 0);
    let mut bytes = [0; 100];
    assert_eq!(pair.server().read(&mut bytes[..30], ZERO), 30);
    pair.transmit();
    assert!(pair.deliver_to_client().unwrap());
    assert_eq!(pair.client.write_capacity(), 30);
}

#[test]
fn a_little_is_acknowledged_after_the_delay_and_a_quarter_of_the_window_at_once() {
    let mut pair = open(Limits::new().window(100));
    pair.client.write(&[1; 60]);
    pair.transmit();
    pair.deliver_to_server().unwrap();
    let (now, mut bytes) = (pair.now, [0; 24]);
    pair.server().read(&mut bytes, now);
    assert_eq!(pair.server().poll_transmit(now), None);
    let at = now + Duration::from_millis(25);
    assert_eq!(pair.server().poll_timeout(), Some(at));
    assert_eq!(pair.server().poll_transmit(at), Some(Frame::Ack { read: 24 }.encode()));
    assert_eq!(pair.server().poll_timeout(), None);
    pair.server().read(&mut bytes, at);
    pair.server().read(&mut bytes[..1], at);
    assert_eq!(pair.server().poll_transmit(at), Some(Frame::Ack { read: 49 }.encode()));
}

#[test]
fn one_direction_may_end_before_the_other() {
    let mut pair = open(Limits::new());
    pair.client.write(b"question");
    pair.client.finish();
    pair.settle().unwrap();
    assert!(pair.server().is_read() && pair.client.is_acknowledged());
    assert!(!pair.client.is_complete());
    pair.cut();
    pair.server().write(b"answer");
    pair.server().finish();
    pair.settle().unwrap();
    assert!(pair.is_complete());
    assert_eq!(pair.read, [b"answer".to_vec(), b"question".to_vec()]);
}

#[test]
fn a_lost_last_acknowledgement_is_stated_again() {
    let mut pair = open(Limits::new());
    pair.client.finish();
    pair.server().finish();
    pair.transmit();
    pair.deliver_to_server().unwrap();
    pair.deliver_to_client().unwrap();
    pair.transmit();
    // The server gets the client's acknowledgement, and its own is lost.
    pair.deliver_to_server().unwrap();
    assert!(pair.server().is_complete() && !pair.client.is_complete());
    pair.cut();
    pair.settle().unwrap();
    assert!(pair.is_complete());
}

#[test]
fn a_session_without_a_websocket_expires_on_both_ends() {
    let mut pair = open(Limits::new());
    // The server's limit applies.
    pair.client = Session::client(Limits::new().expiry(Duration::from_secs(1)));
    pair.client.connect();
    pair.cut();
    pair.settle().unwrap();
    let after = Duration::from_secs(120);
    let (since, now) = (pair.now, pair.now + after);
    pair.client.detach(since);
    pair.server().detach(since);
    for session in [&mut pair.client, pair.server.as_mut().unwrap()] {
        assert_eq!(session.poll_timeout(), Some(now));
        session.handle_timeout(now.saturating_sub(Duration::from_nanos(1)));
        assert_eq!(session.error(), None);
        session.handle_timeout(now);
        assert_eq!(session.error(), Some(ResumeError::Expired { after: Some(after) }));
        assert_eq!((session.write(b"x"), session.memory()), (0, 0));
        assert!(!session.is_read() && !session.is_sent() && !session.is_acknowledged());
    }
    let attach = Attach { token: TOKEN, attempt: 9, position: Position::default() };
    let error = pair.attach(&attach).unwrap_err();
    assert_eq!(error.reason(), EndReason::EXPIRED);
}

#[test]
fn an_attempt_that_is_not_later_is_refused_and_the_session_goes_on() {
    let mut pair = open(Limits::new());
    pair.cut();
    let late = pair.client.poll_transmit(ZERO).unwrap();
    let Ok(Frame::Attach(late)) = Frame::decode(&late) else { panic!() };
    pair.cut();
    pair.settle().unwrap();
    for attempt in [late.attempt, late.attempt + 1] {
        assert_eq!(pair.attach(&Attach { attempt, ..late }), Err(ResumeError::Replaced));
    }
    pair.client.write(b"on");
    pair.settle().unwrap();
    assert_eq!(pair.read[1], b"on");
}

#[test]
fn an_impossible_position_is_a_gap() {
    for (received, read) in [(9, 9), (0, 0), (3, 5), (8, 3)] {
        let mut pair = open(Limits::new());
        pair.server().write(b"12345678");
        pair.transmit();
        pair.deliver_to_client().unwrap();
        pair.read(4);
        pair.settle().unwrap();
        let position = Position { received, read };
        let error = pair.attach(&Attach { token: TOKEN, attempt: 1, position }).unwrap_err();
        assert!(matches!(error, ResumeError::Gap { highest: 8, .. }), "{error:?}");
        assert_eq!(pair.server().error(), Some(error));
    }
}

#[test]
fn the_other_end_is_notified_of_an_error_once() {
    let mut pair = open(Limits::new().window(10));
    let late = Frame::Data { offset: 1, data: b"x" }.encode();
    let error = FrameError::Offset { stated: 1, expected: 0 }.into();
    assert_eq!(pair.server().handle(&late, ZERO), Err(error));
    let end = pair.server().poll_transmit(ZERO).unwrap();
    assert_eq!(Frame::decode(&end), Ok(Frame::End(EndReason::FRAME)));
    assert_eq!(pair.server().poll_transmit(ZERO), None);
    assert_eq!(pair.client.handle(&end, ZERO), Err(ResumeError::Refused));
    assert_eq!(pair.client.poll_transmit(ZERO), None);
}

#[test]
fn frames_out_of_place_end_the_session() {
    let window = FrameError::Window { length: 11, free: 10 };
    let cases = [
        (Frame::Data { offset: 0, data: &[0; 11] }, ResumeError::Frame(window)),
        (Frame::Hello { window: 1 }, FrameError::Unexpected { kind: 1 }.into()),
        (Frame::Attached(Position::default()), FrameError::Unexpected { kind: 4 }.into()),
        (Frame::Fin { offset: 3 }, FrameError::Offset { stated: 3, expected: 0 }.into()),
        (Frame::Ack { read: 1 }, ResumeError::Gap { stated: 1, lowest: 0, highest: 0 }),
        (Frame::End(EndReason(99)), ResumeError::UnknownReason { reason: 99 }),
    ];
    for (frame, error) in cases {
        let mut pair = open(Limits::new().window(10));
        assert_eq!(pair.server().handle(&frame.encode(), ZERO), Err(error));
        assert_eq!(pair.server().error(), Some(error));
    }
    let mut pair = open(Limits::new());
    pair.client.finish();
    pair.settle().unwrap();
    let error = FrameError::Offset { stated: 0, expected: 1 }.into();
    let more = Frame::Data { offset: 0, data: b"x" }.encode();
    assert_eq!(pair.server().handle(&more, ZERO), Err(error));
}

#[test]
fn discarded_input_counts_as_read() {
    let mut pair = open(Limits::new().window(10));
    pair.client.write(&[1; 25]);
    pair.client.finish();
    pair.server().discard_input(ZERO);
    pair.settle().unwrap();
    assert!(pair.client.is_acknowledged());
    assert_eq!(pair.read[1], b"");
}
