use sockeye_proto::State;

use crate::harness::{OwnedEvent, at_every_split, client, server, text};
use crate::wire::{CLOSE, FIN, PING, PONG, TEXT, bare, masked};

#[test]
fn each_ping_is_answered_with_its_payload() {
    let wire = [
        bare(FIN | PING, b""),
        bare(FIN | PING, b"one"),
        bare(FIN | TEXT, b"x"),
        bare(FIN | PING, &[b'2'; 125]),
        bare(FIN | PONG, b"unasked"),
    ]
    .concat();
    let seen = at_every_split(client, &wire);
    let ping = |payload: &[u8]| OwnedEvent::Ping(payload.to_vec());
    let pong = OwnedEvent::Pong(b"unasked".to_vec());
    assert_eq!(seen.events, [ping(b""), ping(b"one"), text("x"), ping(&[b'2'; 125]), pong]);
    let pongs =
        [masked(FIN | PONG, b""), masked(FIN | PONG, b"one"), masked(FIN | PONG, &[b'2'; 125])];
    assert_eq!(seen.output, pongs.concat());
    assert_eq!((seen.error, seen.state), (None, State::Open));
}

#[test]
fn a_ping_is_answered_before_the_close_frame_and_not_after() {
    let wire = [masked(FIN | PING, b"last"), masked(FIN | CLOSE, b"")].concat();
    let seen = at_every_split(server, &wire);
    assert_eq!(seen.output, [bare(FIN | PONG, b"last"), bare(FIN | CLOSE, b"")].concat());
    let closing = || {
        let mut connection = server();
        connection.close(None, &mut Vec::new()).unwrap();
        connection
    };
    let seen = at_every_split(closing, &masked(FIN | PING, b"late"));
    assert_eq!(seen.events, [OwnedEvent::Ping(b"late".to_vec())]);
    assert_eq!((seen.output, seen.state), (vec![], State::Closing));
}
