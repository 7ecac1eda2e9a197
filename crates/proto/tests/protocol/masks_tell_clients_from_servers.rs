use sockeye_proto::ProtocolError;

use crate::harness::{accepted, client, refused, server, text};
use crate::wire::{BINARY, CLOSE, FIN, PING, TEXT, bare, masked};

#[test]
fn a_server_takes_masked_frames_only() {
    assert_eq!(accepted(server, &masked(FIN | TEXT, b"Hello")), [text("Hello")]);
    for opcode in [TEXT, BINARY, PING, CLOSE] {
        let wire = bare(FIN | opcode, b"");
        assert_eq!(refused(server, &wire, ProtocolError::Unmasked), []);
    }
}

#[test]
fn a_client_takes_bare_frames_only() {
    assert_eq!(accepted(client, &bare(FIN | TEXT, b"Hello")), [text("Hello")]);
    for opcode in [TEXT, BINARY, PING, CLOSE] {
        let wire = masked(FIN | opcode, b"");
        assert_eq!(refused(client, &wire, ProtocolError::Masked), []);
    }
}
