use sockeye_proto::{CloseCode, ProtocolError};

use crate::harness::{OwnedEvent, at_every_split, close_frame, refused, server};
use crate::wire::{CLOSE, FIN, masked};

#[test]
fn codes_that_may_be_sent_are_taken() {
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        let wire = masked(FIN | CLOSE, &u16::to_be_bytes(code));
        let seen = at_every_split(server, &wire);
        assert_eq!(seen.error, None);
        let [OwnedEvent::Close(Some(frame))] = &seen.events[..] else { panic!("{seen:?}") };
        assert_eq!(u16::from(frame.code), code);
    }
}

#[test]
fn codes_that_must_not_be_sent_are_refused() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let wire = masked(FIN | CLOSE, &u16::to_be_bytes(code));
        assert_eq!(refused(server, &wire, ProtocolError::InvalidCloseCode { code }), []);
    }
}

#[test]
fn a_payload_of_one_byte_is_refused() {
    let wire = masked(FIN | CLOSE, b"\x03");
    assert_eq!(refused(server, &wire, ProtocolError::CloseTooShort), []);
}

#[test]
fn a_reason_is_text_of_up_to_123_bytes() {
    const LONGEST: &str = "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\
        rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";
    assert_eq!(LONGEST.len(), 123);
    let wire = masked(FIN | CLOSE, &[b"\x03\xe8", LONGEST.as_bytes()].concat());
    let events = at_every_split(server, &wire).events;
    assert_eq!(events, [OwnedEvent::Close(close_frame(CloseCode::NORMAL_CLOSURE, LONGEST))]);
    let wire = masked(FIN | CLOSE, b"\x03\xe8\xce\xba\xff");
    assert_eq!(refused(server, &wire, ProtocolError::InvalidCloseReason), []);
}
