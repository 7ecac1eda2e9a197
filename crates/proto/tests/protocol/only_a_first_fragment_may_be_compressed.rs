use sockeye_proto::{Config, Connection, ProtocolError};

use crate::harness::{accepted, at_every_split, compressing_server, refused, text};
use crate::wire::{CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, masked};

/// "Hello", RFC 7692 section 7.2.3.1.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn server() -> Connection {
    compressing_server(&Config::new())
}

#[test]
fn compressed_and_plain_messages_may_take_turns() {
    let wire = [
        masked(FIN | RSV1 | TEXT, &HELLO),
        masked(FIN | TEXT, b"plain"),
        masked(FIN | RSV1 | TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        masked(FIN | RSV1 | TEXT, &[0x00]),
    ]
    .concat();
    assert_eq!(accepted(server, &wire), [text("Hello"), text("plain"), text("Hello"), text("")]);
}

#[test]
fn a_compressed_message_may_be_fragmented() {
    for at in 0..=HELLO.len() {
        let wire = [
            masked(RSV1 | TEXT, &HELLO[..at]),
            masked(FIN | PONG, b""),
            masked(CONTINUATION, &HELLO[at..]),
            masked(FIN | CONTINUATION, b""),
        ]
        .concat();
        assert_eq!(accepted(server, &wire).last(), Some(&text("Hello")));
    }
}

#[test]
fn rsv1_means_nothing_on_later_fragments_and_control_frames() {
    let error = ProtocolError::ReservedBits { bits: 4 };
    let begun = masked(RSV1 | TEXT, &HELLO[..3]);
    let wire = [begun, masked(FIN | RSV1 | CONTINUATION, &HELLO[3..])].concat();
    assert_eq!(refused(server, &wire, error), []);
    for opcode in [PING, PONG, CLOSE] {
        assert_eq!(refused(server, &masked(FIN | RSV1 | opcode, b""), error), []);
    }
}

#[test]
fn the_other_reserved_bits_mean_nothing_still() {
    for bits in [0b001, 0b010, 0b011, 0b101, 0b110, 0b111] {
        let error = ProtocolError::ReservedBits { bits };
        assert_eq!(refused(server, &masked(FIN | bits << 4 | TEXT, &HELLO), error), []);
    }
}

#[test]
fn what_is_not_deflate_data_is_refused() {
    let wire = [masked(FIN | TEXT, b"good"), masked(FIN | RSV1 | TEXT, b"\xff\xff\xff")].concat();
    assert_eq!(refused(server, &wire, ProtocolError::InvalidDeflate), [text("good")]);
}

#[test]
fn a_message_ends_with_its_last_frame_even_when_that_is_empty() {
    let wire = [masked(RSV1 | TEXT, b""), masked(FIN | CONTINUATION, b"\x00")].concat();
    assert_eq!(at_every_split(server, &wire).events, [text("")]);
}
