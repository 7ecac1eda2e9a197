use std::time::{Duration, Instant};

use sockeye_proto::{Config, Connection, TimedOut};

use crate::harness::{Way, feed};
use crate::wire::{FIN, PING, PONG, TEXT, bare, masked};

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(20);

fn connection() -> Connection {
    Connection::server(&Config::new().ping_after(Some(INTERVAL)).pong_timeout(TIMEOUT))
}

/// Waits until the connection wants to be called, and calls it.
fn next(connection: &mut Connection, now: &mut Instant) -> Result<Vec<u8>, TimedOut> {
    *now = connection.poll_timeout(*now).unwrap();
    let mut out = Vec::new();
    connection.handle_timeout(*now, &mut out)?;
    Ok(out)
}

fn hear(connection: &mut Connection, wire: &[u8]) {
    assert_eq!(feed(connection, [wire], Way::Borrowed).error, None);
}

#[test]
fn silence_is_broken_by_a_ping_and_then_ends_the_connection() {
    let (start, mut connection) = (Instant::now(), connection());
    let mut now = start;
    assert_eq!(next(&mut connection, &mut now), Ok(bare(FIN | PING, &[0, 0, 0, 1])));
    assert_eq!(now, start + INTERVAL);
    assert_eq!(next(&mut connection, &mut now), Err(TimedOut::Keepalive));
    assert_eq!(now, start + INTERVAL + TIMEOUT);
}

#[test]
fn whatever_arrives_keeps_a_connection_alive_even_part_of_a_frame() {
    for wire in [masked(FIN | PONG, b""), masked(FIN | TEXT, b"x"), vec![FIN | TEXT]] {
        let mut connection = connection();
        let mut now = Instant::now();
        assert_eq!(next(&mut connection, &mut now), Ok(bare(FIN | PING, &[0, 0, 0, 1])));
        hear(&mut connection, &wire);
        assert_eq!(next(&mut connection, &mut now), Ok(vec![]));
        assert_eq!(next(&mut connection, &mut now), Ok(bare(FIN | PING, &[0, 0, 0, 2])));
        assert_eq!(next(&mut connection, &mut now), Err(TimedOut::Keepalive));
    }
}

#[test]
fn a_busy_connection_is_never_pinged() {
    let mut connection = connection();
    let mut now = Instant::now();
    for _ in 0..10 {
        connection.poll_timeout(now);
        hear(&mut connection, &masked(FIN | TEXT, b"x"));
        assert_eq!(next(&mut connection, &mut now), Ok(vec![]));
    }
}

#[test]
fn a_call_before_the_time_does_nothing() {
    let (start, mut connection) = (Instant::now(), connection());
    let due = connection.poll_timeout(start).unwrap();
    let mut out = Vec::new();
    connection.handle_timeout(due - Duration::from_nanos(1), &mut out).unwrap();
    assert_eq!(out, b"");
    assert_eq!(connection.poll_timeout(start), Some(due));
}

#[test]
fn without_an_interval_there_is_nothing_to_wait_for() {
    let mut connection = Connection::server(&Config::new().ping_after(None));
    assert_eq!(connection.poll_timeout(Instant::now()), None);
}

#[test]
fn the_pong_to_a_keepalive_ping_tells_the_round_trip_time() {
    let mut connection = connection();
    let mut now = Instant::now();
    assert_eq!(connection.rtt(), None);
    let times = [80, 40].map(Duration::from_millis);
    for (number, time) in (1u8..).zip(times) {
        assert_eq!(next(&mut connection, &mut now), Ok(bare(FIN | PING, &[0, 0, 0, number])));
        // One that was not asked for, and one that answers an earlier ping.
        connection.handle_pong(b"hello", now);
        connection.handle_pong(&[0, 0, 0, number - 1], now);
        hear(&mut connection, &masked(FIN | PONG, &[0, 0, 0, number]));
        connection.handle_pong(&[0, 0, 0, number], now + time);
        // The same once more says nothing.
        connection.handle_pong(&[0, 0, 0, number], now + 2 * time);
        assert_eq!(connection.rtt().unwrap().last(), time);
        assert_eq!(next(&mut connection, &mut now), Ok(vec![]));
    }
    assert_eq!(connection.rtt().unwrap().smoothed(), Duration::from_millis(75));
}
