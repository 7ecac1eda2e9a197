use std::time::{Duration, Instant};

use sockeye_proto::{CloseCode, CloseFrame, Config, Connection, State, TimedOut, TransportStatus};

use crate::harness::{InputMethod, feed};
use crate::wire::{CLOSE, FIN, PING, PONG, TEXT, bare, masked};

const INTERVAL: Duration = Duration::from_secs(30);
const HALF: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

fn connection() -> Connection {
    let config = Config::new().ping_after(Some(INTERVAL)).pong_timeout(TIMEOUT);
    Connection::server(&config.min_message_rate(None))
}

fn ping(number: u8) -> Vec<u8> {
    bare(FIN | PING, &[0, 0, 0, number])
}

/// Returns an unsolicited pong.
fn heartbeat() -> Vec<u8> {
    bare(FIN | PONG, b"")
}

/// Returns the status of a transport with these numbers of bytes.
fn status(acknowledged: u64, unacknowledged: u64) -> TransportStatus {
    TransportStatus { acknowledged, unacknowledged, paused: false }
}

/// Advances the clock to the connection's deadline, and handles the timeout.
fn next(connection: &mut Connection, now: &mut Instant) -> Result<Vec<u8>, TimedOut> {
    next_with(connection, now, TransportStatus::default())
}

fn next_with(
    connection: &mut Connection,
    now: &mut Instant,
    status: TransportStatus,
) -> Result<Vec<u8>, TimedOut> {
    *now = connection.poll_timeout(*now).unwrap();
    let mut out = Vec::new();
    connection.handle_timeout(*now, || status, &mut out)?;
    Ok(out)
}

fn hear(connection: &mut Connection, wire: &[u8]) {
    assert_eq!(feed(connection, [wire], InputMethod::Borrowed).error, None);
}

/// Handles timeouts with `status` until the connection is lost, and returns the time of that.
fn lost(
    connection: &mut Connection,
    now: &mut Instant,
    status: impl Fn(Instant) -> TransportStatus,
) -> Instant {
    for _ in 0..1000 {
        let at = connection.poll_timeout(*now).unwrap();
        *now = at;
        if let Err(late) = connection.handle_timeout(at, || status(at), &mut Vec::new()) {
            assert_eq!(late, TimedOut::Keepalive);
            return at;
        }
    }
    panic!("never lost");
}

#[test]
fn silence_is_broken_by_a_ping_and_then_ends_the_connection() {
    let (start, mut connection) = (Instant::now(), connection());
    let mut now = start;
    assert_eq!(next(&mut connection, &mut now), Ok(ping(1)));
    assert_eq!(now, start + HALF);
    assert_eq!(
        lost(&mut connection, &mut now, |_| TransportStatus::default()),
        start + HALF + TIMEOUT
    );
}

#[test]
fn a_close_frame_tells_that_the_keepalive_gave_up() {
    let mut connection = connection();
    let mut now = Instant::now();
    let mut out = Vec::new();
    let late = loop {
        now = connection.poll_timeout(now).unwrap();
        out.clear();
        if let Err(late) = connection.handle_timeout(now, TransportStatus::default, &mut out) {
            break late;
        }
    };
    assert_eq!(late, TimedOut::Keepalive);
    assert_eq!(out[..2], [FIN | CLOSE, 19]);
    let frame = CloseFrame::decode(&out[2..]).unwrap().unwrap();
    assert_eq!((frame.code, &*frame.reason), (CloseCode::INTERNAL_ERROR, "keepalive timeout"));
    assert_eq!(connection.state(), State::Closed);
}

#[test]
fn any_pong_answers_a_ping() {
    for payload in [&[0, 0, 0, 1][..], b"", b"of another ping"] {
        let (mut connection, mut now) = (connection(), Instant::now());
        assert_eq!(next(&mut connection, &mut now), Ok(ping(1)));
        hear(&mut connection, &masked(FIN | PONG, payload));
        assert_eq!(next(&mut connection, &mut now), Ok(heartbeat()));
        assert_eq!(next(&mut connection, &mut now), Ok(ping(2)));
    }
}

#[test]
fn a_pong_that_is_due_stays_due_whatever_dribbles_in() {
    let (start, mut connection) = (Instant::now(), connection());
    let mut now = start;
    assert_eq!(next(&mut connection, &mut now), Ok(ping(1)));
    hear(&mut connection, &masked(FIN | TEXT, b"a whole message"));
    hear(&mut connection, &[TEXT]);
    let end = lost(&mut connection, &mut now, |_| TransportStatus::default());
    assert_eq!(end, start + HALF + TIMEOUT);
}

#[test]
fn a_pong_may_wait_behind_a_long_message_of_the_peer() {
    let (mut connection, mut now) = (connection(), Instant::now());
    assert_eq!(next(&mut connection, &mut now), Ok(ping(1)));
    let message = masked(FIN | TEXT, &vec![b'x'; 30 * 6_000 - 14]);
    for piece in message.chunks(6_000) {
        hear(&mut connection, piece);
        let until = now + TIMEOUT;
        while connection.poll_timeout(now).unwrap() <= until {
            next(&mut connection, &mut now).unwrap();
        }
        now = until;
    }
    hear(&mut connection, &masked(FIN | PONG, &[0, 0, 0, 1]));
    assert_eq!(next(&mut connection, &mut now), Ok(heartbeat()));
}

#[test]
fn a_ping_behind_megabytes_is_waited_for_while_the_peer_takes_some() {
    const RATE: u64 = 100_000;
    let start = Instant::now();
    let (mut connection, mut now) = (connection(), start);
    let all: u64 = 10_000_000;
    let line = |at: Instant| {
        let taken = ((at - start).as_secs() * RATE).min(all);
        status(7 + taken, all - taken)
    };
    now += HALF;
    assert_eq!(connection.poll_timeout(start), Some(now));
    let at = now;
    let mut out = Vec::new();
    connection.handle_timeout(at, || line(at), &mut out).unwrap();
    assert_eq!(out, ping(1));
    // The last byte arrives after 100 s, and the pong is due from then on.
    let end = lost(&mut connection, &mut now, line) - start;
    assert!(end >= 100 * SECOND + TIMEOUT, "{end:?}");
    assert!(end <= 100 * SECOND + TIMEOUT + HALF, "{end:?}");
}

#[test]
fn a_peer_that_takes_nothing_of_what_is_ahead_of_the_ping_is_lost() {
    let (start, mut connection) = (Instant::now(), connection());
    let mut now = start;
    let end = lost(&mut connection, &mut now, |_| status(1000, 5000));
    assert_eq!(end, start + HALF + 2 * TIMEOUT);
}

#[test]
fn output_that_had_to_wait_and_goes_on_is_a_sign_of_life() {
    let (start, mut connection) = (Instant::now(), connection());
    let mut now = start;
    // A driver that knows only its own unwritten output.
    let behind = status(0, 1000);
    assert_eq!(next_with(&mut connection, &mut now, behind), Ok(ping(1)));
    for _ in 0..10 {
        connection.handle_written(true);
        assert_eq!(next_with(&mut connection, &mut now, behind), Ok(vec![]));
    }
    connection.handle_written(false);
    let from = now;
    let end = lost(&mut connection, &mut now, |_| behind);
    assert_eq!(end, from + 2 * TIMEOUT);
}

#[test]
fn a_pong_that_is_not_read_yet_is_not_missed() {
    let (mut connection, mut now) = (connection(), Instant::now());
    assert_eq!(next(&mut connection, &mut now), Ok(ping(1)));
    for taken in 1..100 {
        let blocked = TransportStatus { paused: true, ..status(taken, 1000) };
        assert_eq!(next_with(&mut connection, &mut now, blocked), Ok(vec![]));
    }
    let from = now;
    let stuck = TransportStatus { paused: true, ..status(99, 1000) };
    assert_eq!(lost(&mut connection, &mut now, |_| stuck), from + 2 * TIMEOUT);
}

#[test]
fn nobody_is_lost_because_the_driver_was_away() {
    let (mut connection, mut now) = (connection(), Instant::now());
    assert_eq!(next(&mut connection, &mut now), Ok(ping(1)));
    now += 10 * TIMEOUT;
    let mut out = Vec::new();
    assert_eq!(connection.handle_timeout(now, TransportStatus::default, &mut out), Ok(()));
    let end = lost(&mut connection, &mut now.clone(), |_| TransportStatus::default());
    assert_eq!(end, now + TIMEOUT);
}

#[test]
fn a_busy_connection_is_never_pinged() {
    let (mut connection, mut now) = (connection(), Instant::now());
    for _ in 0..10 {
        connection.poll_timeout(now);
        hear(&mut connection, &masked(FIN | TEXT, b"x"));
        connection.handle_written(false);
        assert_eq!(next(&mut connection, &mut now), Ok(vec![]));
    }
}

/// nginx cuts a connection after 60 s without traffic and `HAProxy` after 50 s, by their defaults.
#[test]
fn by_default_no_direction_is_silent_for_more_than_twenty_seconds() {
    for spoken in [100, 5_000, 9_999, 15_000] {
        for speaks in [false, true] {
            let mut connection = Connection::server(&Config::new());
            let start = Instant::now();
            let mut now = start;
            connection.poll_timeout(start);
            // The client's subscription, and perhaps the server's answer.
            let mut spoke = Some(start + Duration::from_millis(spoken));
            let (mut heard, mut sent) = (start, start);
            while now < start + 300 * SECOND {
                let due = connection.poll_timeout(now).unwrap();
                if let Some(at) = spoke.filter(|at| *at < due) {
                    hear(&mut connection, &masked(FIN | TEXT, b"subscribe"));
                    (heard, spoke) = (at, None);
                    if speaks {
                        connection.handle_written(false);
                        sent = at;
                    }
                }
                now = due;
                let mut out = Vec::new();
                connection.handle_timeout(now, TransportStatus::default, &mut out).unwrap();
                assert!(now - heard <= 20 * SECOND || out.starts_with(&[FIN | PING]));
                if out.starts_with(&[FIN | PING]) {
                    connection.handle_written(false);
                    assert!(now - heard <= 20 * SECOND, "{:?} without a ping", now - heard);
                    (heard, sent) = (now, now);
                    hear(&mut connection, &masked(FIN | PONG, &out[2..]));
                } else if !out.is_empty() {
                    connection.handle_written(false);
                    sent = now;
                }
                assert!(now - sent <= 20 * SECOND, "nothing sent for {:?}", now - sent);
            }
        }
    }
}

#[test]
fn a_client_that_only_sends_is_sent_a_pong_now_and_then() {
    let (mut connection, mut now) = (connection(), Instant::now());
    for _ in 0..10 {
        connection.poll_timeout(now);
        hear(&mut connection, &masked(FIN | TEXT, b"x"));
        assert_eq!(next(&mut connection, &mut now), Ok(heartbeat()));
    }
}

#[test]
fn a_call_before_the_time_does_nothing() {
    let (start, mut connection) = (Instant::now(), connection());
    let due = connection.poll_timeout(start).unwrap();
    let mut out = Vec::new();
    let early = due - Duration::from_nanos(1);
    connection.handle_timeout(early, TransportStatus::default, &mut out).unwrap();
    assert_eq!(out, b"");
    assert_eq!(connection.poll_timeout(start), Some(due));
}

#[test]
fn without_an_interval_there_is_nothing_to_wait_for() {
    let config = Config::new().ping_after(None);
    let mut connection = Connection::client(&config, || [0; 4]);
    assert_eq!(connection.poll_timeout(Instant::now()), None);
}

#[test]
fn the_pong_to_a_keepalive_ping_tells_the_round_trip_time() {
    let mut connection = connection();
    let mut now = Instant::now();
    assert_eq!(connection.rtt(), None);
    let times = [80, 40].map(Duration::from_millis);
    for (number, time) in (1u8..).zip(times) {
        assert_eq!(next(&mut connection, &mut now), Ok(ping(number)));
        connection.handle_written(false);
        // An unsolicited pong, and one that answers an earlier ping.
        connection.handle_pong(b"hello", now);
        connection.handle_pong(&[0, 0, 0, number - 1], now);
        hear(&mut connection, &masked(FIN | PONG, &[0, 0, 0, number]));
        connection.handle_pong(&[0, 0, 0, number], now + time);
        // A repeated pong changes nothing.
        connection.handle_pong(&[0, 0, 0, number], now + 2 * time);
        assert_eq!(connection.rtt().unwrap().last(), time);
        assert_eq!(next(&mut connection, &mut now), Ok(vec![]));
    }
    assert_eq!(connection.rtt().unwrap().smoothed(), Duration::from_millis(75));
}
