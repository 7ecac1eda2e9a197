use sockeye_proto::{OpCode, ProtocolError};

use crate::harness::{OwnedEvent, accepted, client, refused};
use crate::wire::{CLOSE, FIN, PING, PONG, bare};

const CONTROL: [(u8, OpCode); 3] =
    [(CLOSE, OpCode::Close), (PING, OpCode::Ping), (PONG, OpCode::Pong)];

#[test]
fn a_control_frame_holds_125_bytes() {
    let longest = [b'p'; 125];
    let events = accepted(client, &bare(FIN | PONG, &longest));
    assert_eq!(events, [OwnedEvent::Pong(longest.to_vec())]);
    for (byte, opcode) in CONTROL {
        let wire = bare(FIN | byte, &[b'p'; 126]);
        assert_eq!(refused(client, &wire, ProtocolError::ControlTooLong { opcode }), []);
    }
}

#[test]
fn a_control_frame_is_never_fragmented() {
    for (byte, opcode) in CONTROL {
        let wire = bare(byte, b"");
        assert_eq!(refused(client, &wire, ProtocolError::ControlFragmented { opcode }), []);
    }
}
