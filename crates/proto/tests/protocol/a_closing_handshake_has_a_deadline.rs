use std::time::{Duration, Instant};

use sockeye_proto::{Config, Connection, State, TimedOut};

use crate::harness::{Way, feed};
use crate::wire::{CLOSE, FIN, TEXT, bare, masked};

const TIMEOUT: Duration = Duration::from_secs(5);

fn connection() -> Connection {
    Connection::server(&Config::new().close_timeout(TIMEOUT))
}

fn assert_ends_at_the_deadline(mut connection: Connection) {
    let now = Instant::now();
    assert_eq!(connection.poll_timeout(now), Some(now + TIMEOUT));
    let mut out = Vec::new();
    let early = now + TIMEOUT - Duration::from_nanos(1);
    assert_eq!(connection.handle_timeout(early, &mut out), Ok(()));
    assert_eq!(connection.poll_timeout(early), Some(now + TIMEOUT));
    // What arrives meanwhile buys no time.
    feed(&mut connection, [&masked(FIN | TEXT, b"late")[..]], Way::Borrowed);
    assert_eq!(connection.poll_timeout(early), Some(now + TIMEOUT));
    assert_eq!(connection.handle_timeout(now + TIMEOUT, &mut out), Err(TimedOut::Closing));
    assert_eq!(out, b"");
    assert_eq!(connection.state(), State::Closed);
}

#[test]
fn a_close_frame_that_is_not_answered_ends_the_connection() {
    let mut connection = connection();
    connection.close(None, &mut Vec::new()).unwrap();
    assert_ends_at_the_deadline(connection);
}

#[test]
fn a_transport_that_does_not_end_after_the_answer_is_ended() {
    let mut connection = connection();
    feed(&mut connection, [&masked(FIN | CLOSE, b"")[..]], Way::Borrowed);
    assert_eq!(connection.state(), State::Closed);
    assert_ends_at_the_deadline(connection);
}

#[test]
fn a_transport_that_does_not_end_after_an_error_is_ended() {
    let mut connection = connection();
    feed(&mut connection, [&bare(FIN | TEXT, b"not masked")[..]], Way::Borrowed);
    assert_ends_at_the_deadline(connection);
}
