use sockeye_proto::{OpCode, ProtocolError, State};

use crate::harness::{OwnedEvent, accepted, at_every_split, binary, refused, server, text};
use crate::wire::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, bare, masked};

#[test]
fn fragments_of_any_length_make_one_message() {
    let wire = [
        masked(TEXT, b""),
        masked(CONTINUATION, b"one "),
        masked(CONTINUATION, b""),
        masked(CONTINUATION, "tw\u{f6}".as_bytes()),
        masked(FIN | CONTINUATION, b""),
        masked(BINARY, b"\xff"),
        masked(FIN | CONTINUATION, b"\xfe"),
        masked(FIN | TEXT, b"three"),
    ]
    .concat();
    assert_eq!(accepted(server, &wire), [text("one tw\u{f6}"), binary(b"\xff\xfe"), text("three")]);
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let [a, b, c, d] = "\u{1f600}".as_bytes() else { panic!("four bytes") };
    let wire =
        [masked(TEXT, &[*a]), masked(CONTINUATION, &[*b, *c]), masked(FIN | CONTINUATION, &[*d])]
            .concat();
    assert_eq!(accepted(server, &wire), [text("\u{1f600}")]);
}

#[test]
fn control_frames_may_come_between_fragments() {
    let wire = [
        masked(TEXT, b"be"),
        masked(FIN | PING, b"ping"),
        masked(CONTINUATION, b"twe"),
        masked(FIN | PONG, b"pong"),
        masked(FIN | CONTINUATION, b"en"),
    ]
    .concat();
    let seen = at_every_split(server, &wire);
    let (ping, pong) = (OwnedEvent::Ping(b"ping".to_vec()), OwnedEvent::Pong(b"pong".to_vec()));
    assert_eq!(seen.events, [ping, pong, text("between")]);
    assert_eq!((seen.error, seen.state), (None, State::Open));
    assert_eq!(seen.output, bare(FIN | PONG, b"ping"));
}

#[test]
fn a_continuation_needs_a_message() {
    let error = ProtocolError::UnexpectedContinuation;
    assert_eq!(refused(server, &masked(FIN | CONTINUATION, b"x"), error), []);
    let after = [masked(FIN | TEXT, b"whole"), masked(CONTINUATION, b"x")].concat();
    assert_eq!(refused(server, &after, error), [text("whole")]);
}

#[test]
fn a_message_must_end_before_the_next_begins() {
    for (byte, opcode) in [(TEXT, OpCode::Text), (BINARY, OpCode::Binary)] {
        let wire = [masked(TEXT, b"begun"), masked(FIN | byte, b"x")].concat();
        assert_eq!(refused(server, &wire, ProtocolError::ExpectedContinuation { opcode }), []);
    }
}
