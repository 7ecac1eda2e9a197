//! The end of a session, and its timeouts.

use super::super::{ErrorCode, SendError, SessionEnd};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_close_reaches_the_peer() {
    let mut pair = Pair::with_defaults();
    let id = pair.open(BI, b"data");
    pair.client.close(7, "done");
    assert_eq!(pair.client.end(), Some(&SessionEnd::Closed));
    pair.settle();
    let end = SessionEnd::ClosedByPeer { code: 7, reason: "done".into() };
    assert_eq!(pair.server.end(), Some(&end));
    assert!(events(&mut pair.server).contains(&Event::Ended));
    assert!(!pair.server.has_output());
    // What had arrived can be read.
    assert_eq!(read_all(&mut pair.server, id), b"data");
    assert_eq!(pair.server.read(id, 9), Err(ReceiveError::Ended));
    assert_eq!(pair.server.write(id, b"late"), Err(SendError::Ended));
    assert_eq!(pair.server.open(BI), None);
}

#[test]
fn the_peer_of_an_end_that_breaks_a_rule_is_refused() {
    let mut pair = Pair::with_defaults();
    pair.server.fail(Violation::Text);
    pair.settle();
    let code = ErrorCode::PROTOCOL_VIOLATION;
    let end = SessionEnd::Refused { code, reason: Violation::Text.to_string() };
    assert_eq!(pair.client.end(), Some(&end));
}

#[test]
fn input_after_the_end_is_ignored() {
    let mut server = server();
    server.close(0, "");
    assert_eq!(server.handle_record(Bytes::from_static(&[0x02]), START), Ok(()));
    server.on_transport_ended();
    assert_eq!(server.end(), Some(&SessionEnd::Closed));
}

#[test]
fn a_transport_that_ends_ends_the_session() {
    let mut server = server();
    server.on_transport_ended();
    assert_eq!(server.end(), Some(&SessionEnd::Lost));
    assert_eq!(frames(&mut server), []);
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let mut server = server();
    assert_eq!(server.poll_timeout(), Some(20 * SECOND));
    server.handle_timeout(20 * SECOND);
    let ping = server.poll_transmit(20 * SECOND).unwrap();
    assert_eq!(ping, record([Frame::Ping { sequence: 0 }]));
    // Further pings do not restart the idle timer.
    server.handle_timeout(40 * SECOND);
    assert!(server.poll_transmit(40 * SECOND).is_some());
    assert_eq!(server.end(), None);
    server.handle_timeout(80 * SECOND);
    assert_eq!(server.end(), Some(&SessionEnd::IdleTimeout));
    assert_eq!(server.poll_transmit(80 * SECOND), None);
}

#[test]
fn two_idle_ends_stay_connected() {
    let mut pair = Pair::with_defaults();
    for _ in 0..100 {
        let timeouts = [pair.client.poll_timeout(), pair.server.poll_timeout()];
        pair.now = timeouts.into_iter().flatten().min().unwrap();
        pair.client.handle_timeout(pair.now);
        pair.server.handle_timeout(pair.now);
        pair.settle();
    }
    assert_eq!((pair.client.end(), pair.server.end()), (None, None));
    assert!(pair.now > 100 * SECOND);
}

#[test]
fn the_shorter_idle_timeout_applies() {
    let short = Config::new().idle_timeout(Some(3 * SECOND));
    let pair = Pair::new(Config::new().idle_timeout(None), short);
    for mut end in [pair.client, pair.server] {
        assert_eq!(end.poll_timeout(), Some(SECOND));
        end.handle_timeout(3 * SECOND);
        assert_eq!(end.end(), Some(&SessionEnd::IdleTimeout));
    }
}

#[test]
fn without_timeouts_nothing_is_due() {
    let config = Config::new().idle_timeout(None).keep_alive(None);
    let pair = Pair::new(config, config);
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn a_peer_that_does_not_begin_is_given_up() {
    let config = Config::new().idle_timeout(None).keep_alive(None);
    let mut client = Multiplexer::new(Role::Client, config, Framing::Messages, START);
    assert_eq!(client.poll_timeout(), Some(30 * SECOND));
    client.handle_timeout(30 * SECOND);
    assert_eq!(client.end(), Some(&SessionEnd::ParametersTimeout));
}

#[test]
fn a_released_session_closes_once_everything_is_sent() {
    let mut pair = Pair::new(Config::new(), Config::new().stream_window(5));
    let id = pair.client.open(UNI).unwrap();
    pair.client.write(id, b"0123456789").unwrap();
    pair.client.finish_stream(id).unwrap();
    pair.client.release_send(id);
    pair.client.release(START);
    pair.deliver_to_server();
    pair.deliver_to_client();
    assert_eq!(pair.client.end(), None);
    assert_eq!(pair.server.accept(UNI), Some(id));
    assert_eq!(read_all(&mut pair.server, id), b"01234");
    pair.deliver_to_client();
    pair.deliver_to_server();
    assert_eq!(pair.client.end(), Some(&SessionEnd::Closed));
    assert_eq!(read_all(&mut pair.server, id), b"56789");
    assert_eq!(pair.server.read(id, 9), Ok(Received::End));
    let end = SessionEnd::ClosedByPeer { code: 0, reason: String::new() };
    assert_eq!(pair.server.end(), Some(&end));
}

#[test]
fn a_released_session_waits_for_a_limited_time() {
    let mut pair = Pair::new(Config::new(), Config::new().stream_window(5));
    let id = pair.client.open(UNI).unwrap();
    pair.client.write(id, b"0123456789").unwrap();
    pair.client.finish_stream(id).unwrap();
    pair.client.release(START);
    pair.deliver_to_server();
    pair.client.handle_timeout(29 * SECOND);
    assert_eq!(pair.client.end(), None);
    pair.client.handle_timeout(30 * SECOND);
    assert_eq!(pair.client.end(), Some(&SessionEnd::Closed));
}
