use sockeye_proto::ProtocolError;

use crate::harness::{client, refused, server};
use crate::wire::{BINARY, FIN, PING, TEXT, bare, masked};

#[test]
fn reserved_bits_have_no_meaning_without_an_extension() {
    for bits in 1..8 {
        for opcode in [TEXT, BINARY, PING] {
            let first = FIN | bits << 4 | opcode;
            let error = ProtocolError::ReservedBits { bits };
            assert_eq!(refused(server, &masked(first, b"x"), error), []);
            assert_eq!(refused(client, &bare(first, b"x"), error), []);
        }
    }
}

#[test]
fn reserved_opcodes_have_no_meaning() {
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        let error = ProtocolError::ReservedOpCode { opcode };
        assert_eq!(refused(server, &masked(FIN | opcode, b"x"), error), []);
        assert_eq!(refused(client, &bare(FIN | opcode, b"x"), error), []);
    }
}
