//! The WebSocket is lost at each point of a whole session, at each end.

use super::*;

/// Runs a session with data both ways, and cuts the WebSocket before each delivery that `cuts`
/// contains. Returns the number of deliveries.
fn run(cuts: &[usize]) -> usize {
    let limits = Limits::new().buffer(64).window(48);
    let mut pair = Pair::new(limits, limits.buffer(40));
    let (up, down) = (pattern(300, 1), pattern(200, 2));
    let (mut upward, mut downward) = (&up[..], &down[..]);
    let mut deliveries = 0;
    while !pair.is_complete() {
        upward = &upward[pair.client.write(upward)..];
        if upward.is_empty() {
            pair.client.finish();
        }
        if let Some(server) = &mut pair.server {
            downward = &downward[server.write(downward)..];
            if downward.is_empty() {
                server.finish();
            }
        }
        let busy = pair.transmit();
        for to_server in [true, false] {
            if cuts.contains(&deliveries) {
                // The point after the cut has another number.
                deliveries += 1;
                pair.cut();
                if pair.server.is_none() {
                    downward = &down[..];
                }
                break;
            }
            let delivered =
                if to_server { pair.deliver_to_server() } else { pair.deliver_to_client() };
            deliveries += usize::from(delivered.unwrap());
        }
        pair.read(7);
        if !busy {
            pair.now += Duration::from_millis(10);
        }
        assert!(deliveries < 10_000, "the session stands still");
    }
    assert!(pair.read == [down, up], "the bytes differ after cuts at {cuts:?}");
    deliveries
}

#[test]
fn a_session_survives_a_cut_at_each_message() {
    let whole = run(&[]);
    assert!(whole > 30, "{whole}");
    for cut in 0..whole {
        run(&[cut]);
    }
}

#[test]
fn a_session_survives_two_cuts_at_any_two_messages() {
    let whole = run(&[]);
    for first in 0..whole {
        for second in first + 1..whole + 8 {
            run(&[first, second]);
        }
    }
}

#[test]
fn a_read_of_any_length_sees_the_same_bytes() {
    let bytes = pattern(100, 3);
    for length in 1..=100 {
        let mut pair = Pair::new(Limits::new(), Limits::new().window(64));
        pair.client.write(&bytes);
        pair.client.finish();
        while !pair.server.as_ref().is_some_and(Session::is_read) {
            pair.transmit();
            while pair.deliver_to_server().unwrap() || pair.deliver_to_client().unwrap() {}
            pair.read(length);
            pair.now += Duration::from_millis(25);
        }
        assert_eq!(pair.read[1], bytes);
    }
}
