use std::time::{Duration, Instant};

use sockeye_proto::{Config, Connection, TimedOut, TransportStatus};

use crate::harness::{InputMethod, feed};
use crate::wire::{CONTINUATION, FIN, TEXT, masked};

const SECOND: Duration = Duration::from_secs(1);

/// Feeds `input` once per second for five minutes, and handles timeouts. Returns how long the
/// connection lived.
fn lives(
    mut connection: Connection,
    mut input: impl FnMut(usize) -> Vec<u8>,
    status: TransportStatus,
) -> (Duration, Option<TimedOut>) {
    let start = Instant::now();
    connection.poll_timeout(start);
    for second in 0..300 {
        let now = start + u32::try_from(second).unwrap() * SECOND;
        let wire = input(second);
        assert_eq!(feed(&mut connection, [&*wire], InputMethod::Borrowed).error, None);
        connection.handle_written(false);
        while connection.poll_timeout(now).is_some_and(|due| due <= now) {
            if let Err(late) = connection.handle_timeout(now, || status, &mut Vec::new()) {
                return (now - start, Some(late));
            }
        }
    }
    (300 * SECOND, None)
}

fn server() -> Connection {
    Connection::server(&Config::new())
}

/// Returns one byte per second of one long frame.
fn dribbled(second: usize) -> Vec<u8> {
    let frame = masked(FIN | TEXT, &[b'x'; 1000]);
    if second == 0 { frame[..9].to_vec() } else { vec![frame[8 + second % 4]] }
}

#[test]
fn a_dribble_inside_one_frame_is_ended() {
    let (lived, late) = lives(server(), dribbled, TransportStatus::default());
    assert_eq!(late, Some(TimedOut::MessageTooSlow));
    assert!(lived <= 40 * SECOND, "{lived:?}");
}

#[test]
fn a_dribble_of_fragments_is_ended() {
    let fragments = |second| masked(if second == 0 { TEXT } else { CONTINUATION }, b"x");
    let (lived, late) = lives(server(), fragments, TransportStatus::default());
    assert_eq!(late, Some(TimedOut::MessageTooSlow));
    assert!(lived <= 40 * SECOND, "{lived:?}");
}

#[test]
fn a_slow_and_steady_upload_lives() {
    let frame = masked(FIN | TEXT, &vec![b'x'; 300_000]);
    let upload = |second: usize| frame[second * 500..(second + 1) * 500].to_vec();
    assert_eq!(lives(server(), upload, TransportStatus::default()).1, None);
}

#[test]
fn an_upload_that_stalls_now_and_then_lives() {
    let frame = masked(FIN | TEXT, &vec![b'x'; 3_000_000]);
    // 15 s without a byte, then 15 s of 1,000 bytes each.
    let upload = |second: usize| match second % 30 {
        0..15 if second > 0 => Vec::new(),
        _ => frame[second * 1000..(second + 1) * 1000].to_vec(),
    };
    assert_eq!(lives(server(), upload, TransportStatus::default()).1, None);
}

#[test]
fn whole_messages_may_be_as_rare_as_they_like() {
    let rare = |second| if second % 9 == 0 { masked(FIN | TEXT, b"x") } else { Vec::new() };
    assert_eq!(lives(server(), rare, TransportStatus::default()).1, None);
}

#[test]
fn time_in_which_nothing_is_read_does_not_count() {
    let paused = TransportStatus { paused: true, unacknowledged: 10, ..TransportStatus::default() };
    let (_, late) = lives(server(), dribbled, paused);
    assert_eq!(late, None);
}

#[test]
fn the_rate_can_be_changed_or_left_out() {
    let with = |rate| Connection::server(&Config::new().min_message_rate(rate));
    assert_eq!(lives(with(None), dribbled, TransportStatus::default()).1, None);
    assert_eq!(lives(with(Some(1)), dribbled, TransportStatus::default()).1, None);
    let late = lives(with(Some(2)), dribbled, TransportStatus::default()).1;
    assert_eq!(late, Some(TimedOut::MessageTooSlow));
}

#[test]
fn a_client_has_no_least_rate_by_default() {
    let frame = [&[FIN | TEXT, 126, 10, 0][..], &[b'x'; 2560]].concat();
    let client = Connection::client(&Config::new(), || [0; 4]);
    let dribbled = |second: usize| vec![frame[second]];
    assert_eq!(lives(client, dribbled, TransportStatus::default()).1, None);
}
