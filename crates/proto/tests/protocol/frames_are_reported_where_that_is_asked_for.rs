use sockeye_proto::frame::Header;
use sockeye_proto::{Config, Connection, OpCode, ProtocolError, State};

use crate::harness::{OwnedEvent, at_every_split, text};
use crate::wire::{BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, RSV1, TEXT, masked};

fn reporting() -> Connection {
    Connection::server(&Config::new().report_frames(true))
}

fn frame(fin: bool, opcode: OpCode, length: u64) -> OwnedEvent {
    OwnedEvent::Frame(Header::new(opcode, length).masked(KEY).with_fin(fin))
}

#[test]
fn each_header_comes_before_what_its_frame_brings() {
    let wire = [
        masked(FIN | TEXT, b""),
        masked(TEXT, b"on"),
        masked(FIN | PING, b""),
        masked(FIN | CONTINUATION, b"e"),
        masked(FIN | BINARY, &[7; 300]),
        masked(FIN | CLOSE, b""),
    ]
    .concat();
    let seen = at_every_split(reporting, &wire);
    assert_eq!(
        seen.events,
        [
            frame(true, OpCode::Text, 0),
            text(""),
            frame(false, OpCode::Text, 2),
            frame(true, OpCode::Ping, 0),
            OwnedEvent::Ping(Vec::new()),
            frame(true, OpCode::Continuation, 1),
            text("one"),
            frame(true, OpCode::Binary, 300),
            OwnedEvent::Message(vec![7; 300].into()),
            frame(true, OpCode::Close, 0),
            OwnedEvent::Close(None),
        ]
    );
    assert_eq!((seen.error, seen.state), (None, State::Closed));
}

#[test]
fn a_header_that_breaks_a_rule_is_not_reported() {
    let seen = at_every_split(reporting, &masked(FIN | RSV1 | TEXT, b"x"));
    assert_eq!(seen.events, []);
    assert_eq!(seen.error, Some(ProtocolError::ReservedBits { bits: 4 }));
}
