use sockeye_proto::ProtocolError;

use crate::harness::{accepted, binary, client, refused};
use crate::wire::{BINARY, FIN, bare};

#[test]
fn lengths_at_each_border_are_accepted() {
    for length in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 65_537] {
        let payload = vec![0x5a; length];
        assert_eq!(accepted(client, &bare(FIN | BINARY, &payload)), [binary(&payload)]);
    }
}

#[test]
fn longer_forms_than_needed_are_refused() {
    for length in [0u16, 1, 125] {
        let [high, low] = length.to_be_bytes();
        let error = ProtocolError::NonMinimalLength { length: length.into() };
        refused(client, &[FIN | BINARY, 126, high, low], error);
    }
    for length in [0u64, 125, 126, 65_535] {
        let mut wire = vec![FIN | BINARY, 127];
        wire.extend_from_slice(&length.to_be_bytes());
        refused(client, &wire, ProtocolError::NonMinimalLength { length });
    }
}

#[test]
fn the_top_bit_of_a_length_is_refused() {
    for length in [1u64 << 63, u64::MAX] {
        let mut wire = vec![FIN | BINARY, 127];
        wire.extend_from_slice(&length.to_be_bytes());
        refused(client, &wire, ProtocolError::LengthOverflow { length });
    }
}
