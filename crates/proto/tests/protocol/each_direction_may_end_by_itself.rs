use std::time::{Duration, Instant};

use sockeye_proto::{CloseCode, Config, Connection, State, TimedOut, TransportStatus};

use crate::harness::{InputMethod, OwnedEvent, at_every_split, binary, close_frame, feed};
use crate::wire::{BINARY, CLOSE, FIN, bare, masked};

const SILENCE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(5);

fn connection() -> Connection {
    let mut connection = Connection::server(&Config::new().close_timeout(TIMEOUT));
    connection.allow_half_close(Some(SILENCE));
    connection
}

fn close(code: u16) -> Vec<u8> {
    masked(FIN | CLOSE, &code.to_be_bytes())
}

#[test]
fn the_answer_to_an_orderly_close_waits_for_what_is_still_to_be_sent() {
    for wire in [close(1000), close(1001), masked(FIN | CLOSE, b"")] {
        let late = masked(FIN | BINARY, b"late");
        let seen = at_every_split(
            connection,
            &[&masked(FIN | BINARY, b"in time")[..], &wire, &late].concat(),
        );
        assert_eq!(seen.events[0], binary(b"in time"));
        assert!(matches!(seen.events[1], OwnedEvent::Close { .. }), "{:?}", seen.events);
        assert_eq!((seen.events.len(), seen.error, seen.output), (2, None, vec![]));
        assert_eq!(seen.state, State::PeerClosed);

        let mut connection = connection();
        feed(&mut connection, [&wire[..]], InputMethod::Borrowed);
        let mut out = Vec::new();
        connection.send(b"answer"[..].into(), &mut out).unwrap();
        connection.close(close_frame(CloseCode::NORMAL_CLOSURE, "").as_ref(), &mut out).unwrap();
        let expected = [bare(FIN | BINARY, b"answer"), bare(FIN | CLOSE, &[0x03, 0xe8])].concat();
        assert_eq!((out, connection.state()), (expected, State::Closed));
    }
}

#[test]
fn a_close_that_tells_of_a_failure_is_answered_at_once() {
    let seen = at_every_split(connection, &close(1011));
    assert_eq!((seen.output, seen.state), (bare(FIN | CLOSE, &[0x03, 0xf3]), State::Closed));
    let broken = [masked(BINARY, b"begun"), close(1000)].concat();
    let seen = at_every_split(connection, &broken);
    assert_eq!((seen.output, seen.state), (bare(FIN | CLOSE, &[0x03, 0xe8]), State::Closed));
}

#[test]
fn a_peer_that_goes_on_sending_after_our_close_is_given_time() {
    let mut connection = connection();
    let (mut now, mut out) = (Instant::now(), Vec::new());
    connection.close(None, &mut out).unwrap();
    assert_eq!(connection.poll_timeout(now), None, "it is not written");
    assert!(connection.on_close_written(now));
    for _ in 0..10 {
        assert_eq!(connection.poll_timeout(now), Some(now + SILENCE));
        feed(&mut connection, [&masked(FIN | BINARY, b"more")[..]], InputMethod::Borrowed);
        now += SILENCE;
        assert_eq!(connection.handle_timeout(now, TransportStatus::default, &mut out), Ok(()));
        assert_eq!(connection.state(), State::Closing);
    }
    assert_eq!(
        connection.handle_timeout(now + SILENCE, TransportStatus::default, &mut out),
        Err(TimedOut::Closing)
    );
    assert_eq!(connection.state(), State::Closed);
}

#[test]
fn once_both_have_closed_the_transport_has_the_usual_time_to_end() {
    let mut connection = connection();
    let now = Instant::now();
    connection.close(None, &mut Vec::new()).unwrap();
    assert!(connection.on_close_written(now));
    assert_eq!(connection.poll_timeout(now), Some(now + SILENCE));
    feed(&mut connection, [&close(1000)[..]], InputMethod::Borrowed);
    assert_eq!(connection.poll_timeout(now), Some(now + TIMEOUT));

    let mut connection = self::connection();
    feed(&mut connection, [&close(1000)[..]], InputMethod::Borrowed);
    assert_eq!(connection.poll_timeout(now), None);
    connection.close(None, &mut Vec::new()).unwrap();
    assert!(connection.on_close_written(now));
    assert_eq!(connection.poll_timeout(now), Some(now + TIMEOUT));
    // Once the connection has ended, input does not extend the deadline.
    feed(&mut connection, [&masked(FIN | BINARY, b"more")[..]], InputMethod::Borrowed);
    assert_eq!(
        connection.handle_timeout(now + TIMEOUT, TransportStatus::default, &mut Vec::new()),
        Err(TimedOut::Closing)
    );
}
