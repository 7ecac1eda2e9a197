use std::time::{Duration, Instant};

use sockeye_proto::{Config, Connection, State, TimedOut, TransportStatus};

use crate::harness::{InputMethod, feed};
use crate::wire::{CLOSE, FIN, TEXT, bare, masked};

const TIMEOUT: Duration = Duration::from_secs(5);

fn connection() -> Connection {
    Connection::server(&Config::new().close_timeout(TIMEOUT))
}

fn assert_ends_at_the_deadline(mut connection: Connection) {
    let now = Instant::now();
    connection.on_close_written(now);
    assert_eq!(connection.poll_timeout(now), Some(now + TIMEOUT));
    let mut out = Vec::new();
    let early = now + TIMEOUT - Duration::from_nanos(1);
    assert_eq!(connection.handle_timeout(early, TransportStatus::default, &mut out), Ok(()));
    assert_eq!(connection.poll_timeout(early), Some(now + TIMEOUT));
    // Input in the meantime does not extend the deadline.
    feed(&mut connection, [&masked(FIN | TEXT, b"late")[..]], InputMethod::Borrowed);
    assert_eq!(connection.poll_timeout(early), Some(now + TIMEOUT));
    assert_eq!(
        connection.handle_timeout(now + TIMEOUT, TransportStatus::default, &mut out),
        Err(TimedOut::Closing)
    );
    assert_eq!(out, b"");
    assert_eq!(connection.state(), State::Closed);
}

/// Returns the connection after its close frame was written, which may take any time.
fn written(mut connection: Connection) -> Connection {
    let now = Instant::now();
    for waiting in 0..10 {
        let later = now + waiting * TIMEOUT;
        assert_eq!(connection.poll_timeout(later), None);
        assert_eq!(
            connection.handle_timeout(later, TransportStatus::default, &mut Vec::new()),
            Ok(())
        );
    }
    let later = now + 10 * TIMEOUT;
    assert!(connection.on_close_written(later));
    assert_eq!(connection.poll_timeout(later + TIMEOUT), Some(later + TIMEOUT));
    // A close frame is written once.
    assert!(!connection.on_close_written(later + TIMEOUT));
    assert_eq!(connection.poll_timeout(later + TIMEOUT), Some(later + TIMEOUT));
    connection
}

#[test]
fn a_close_frame_that_is_not_answered_ends_the_connection() {
    let mut connection = connection();
    assert!(!connection.on_close_written(Instant::now()), "there is none");
    connection.close(None, &mut Vec::new()).unwrap();
    assert_ends_at_the_deadline(connection);
}

#[test]
fn the_deadline_begins_when_the_close_frame_is_written() {
    let mut closing = connection();
    closing.close(None, &mut Vec::new()).unwrap();
    written(closing);
    let mut answering = connection();
    feed(&mut answering, [&masked(FIN | CLOSE, b"")[..]], InputMethod::Borrowed);
    written(answering);
    // The peer's close frame arrives before the local one is written.
    let mut crossing = connection();
    crossing.close(None, &mut Vec::new()).unwrap();
    feed(&mut crossing, [&masked(FIN | CLOSE, b"")[..]], InputMethod::Borrowed);
    written(crossing);
}

#[test]
fn a_peer_that_breaks_the_protocol_has_no_time_to_read_what_comes_before_the_close_frame() {
    let mut connection = connection();
    connection.close(None, &mut Vec::new()).unwrap();
    feed(&mut connection, [&bare(FIN | TEXT, b"not masked")[..]], InputMethod::Borrowed);
    let now = Instant::now();
    assert_eq!(connection.poll_timeout(now), Some(now + TIMEOUT));
    assert!(!connection.on_close_written(now + TIMEOUT));
    assert_eq!(connection.poll_timeout(now), Some(now + TIMEOUT));
}

#[test]
fn a_transport_that_does_not_end_after_the_answer_is_ended() {
    let mut connection = connection();
    feed(&mut connection, [&masked(FIN | CLOSE, b"")[..]], InputMethod::Borrowed);
    assert_eq!(connection.state(), State::Closed);
    assert_ends_at_the_deadline(connection);
}

#[test]
fn a_transport_that_does_not_end_after_an_error_is_ended() {
    let mut connection = connection();
    feed(&mut connection, [&bare(FIN | TEXT, b"not masked")[..]], InputMethod::Borrowed);
    assert_ends_at_the_deadline(connection);
}
