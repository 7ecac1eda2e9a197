use sockeye_proto::{CloseCode, ProtocolError, State};

use crate::harness::{
    InputMethod, OwnedEvent, at_every_split, client, close_frame, feed, server, text,
};
use crate::wire::{CLOSE, CONTINUATION, FIN, PING, TEXT, bare, masked};

#[test]
fn a_close_frame_is_answered_with_its_code() {
    let frame = close_frame(CloseCode::GOING_AWAY, "bye");
    let seen = at_every_split(server, &masked(FIN | CLOSE, b"\x03\xe9bye"));
    assert_eq!(seen.events, [OwnedEvent::Close(frame)]);
    assert_eq!((seen.error, seen.state), (None, State::Closed));
    assert_eq!(seen.output, bare(FIN | CLOSE, b"\x03\xe9"));
}

#[test]
fn an_empty_close_frame_is_answered_with_an_empty_one() {
    let seen = at_every_split(client, &bare(FIN | CLOSE, b""));
    assert_eq!(seen.events, [OwnedEvent::Close(None)]);
    assert_eq!(seen.output, masked(FIN | CLOSE, b""));
}

#[test]
fn what_follows_a_close_frame_is_not_looked_at() {
    let wire = [
        masked(FIN | TEXT, b"before"),
        masked(FIN | CLOSE, b""),
        masked(FIN | CLOSE, b""),
        masked(FIN | PING, b"after"),
        vec![0xff; 20],
    ]
    .concat();
    let seen = at_every_split(server, &wire);
    assert_eq!(seen.events, [text("before"), OwnedEvent::Close(None)]);
    assert_eq!((seen.error, seen.state), (None, State::Closed));
    assert_eq!(seen.output, bare(FIN | CLOSE, b""));
}

#[test]
fn what_follows_an_error_is_not_looked_at() {
    let mut connection = server();
    let wire = bare(FIN | TEXT, b"not masked");
    let seen = feed(&mut connection, [&wire[..]], InputMethod::Borrowed);
    assert_eq!(seen.error, Some(ProtocolError::Unmasked));
    let seen = feed(&mut connection, [&wire[..]], InputMethod::Borrowed);
    assert_eq!((seen.error, seen.state), (None, State::Closed));
    assert_eq!((seen.events, seen.output), (vec![], vec![]));
}

#[test]
fn the_answer_to_our_own_close_frame_is_not_answered() {
    let make = || {
        let mut connection = server();
        connection.close(None, &mut Vec::new()).unwrap();
        assert_eq!(connection.state(), State::Closing);
        connection
    };
    // A message that is still in transit is delivered.
    let wire = [masked(FIN | TEXT, b"late"), masked(FIN | CLOSE, b"\x03\xe8")].concat();
    let seen = at_every_split(make, &wire);
    let close = OwnedEvent::Close(close_frame(CloseCode::NORMAL_CLOSURE, ""));
    assert_eq!(seen.events, [text("late"), close]);
    assert_eq!((seen.error, seen.state), (None, State::Closed));
    assert_eq!(seen.output, b"");
}

#[test]
fn a_close_frame_between_fragments_says_so() {
    let wire =
        [masked(TEXT, b"never"), masked(FIN | CLOSE, b""), masked(FIN | CONTINUATION, b" whole")]
            .concat();
    let seen = at_every_split(server, &wire);
    assert_eq!(seen.events, [OwnedEvent::CloseMidMessage(None)]);
    assert_eq!((seen.error, seen.state), (None, State::Closed));
}
