use sockeye_proto::{Config, Connection, ProtocolError};

use crate::harness::{accepted, binary, refused};
use crate::wire::{BINARY, CONTINUATION, FIN, TEXT, masked};

fn limited() -> Connection {
    Connection::server(&Config::new().max_frame_length(10).max_message_length(25))
}

#[test]
fn a_frame_at_the_limit_passes_and_one_beyond_does_not() {
    assert_eq!(accepted(limited, &masked(FIN | BINARY, &[1; 10])), [binary(&[1; 10])]);
    for length in [11u64, 126, 65_536, 1 << 40] {
        let mut wire = vec![FIN | BINARY, 0xff];
        wire.extend_from_slice(&length.to_be_bytes());
        if length < 126 {
            wire = vec![FIN | BINARY, 0x80 | length as u8];
        } else if length < 65_536 {
            wire = vec![FIN | BINARY, 0x80 | 126, 0, length as u8];
        }
        // The header alone suffices.
        wire.extend_from_slice(&[0; 4]);
        let error = ProtocolError::FrameTooLong { length, limit: 10 };
        assert_eq!(refused(limited, &wire, error), []);
    }
}

#[test]
fn a_message_at_the_limit_passes_and_one_beyond_does_not() {
    let begun = [masked(BINARY, &[1; 10]), masked(CONTINUATION, &[2; 10])].concat();
    let whole = [&begun[..], &masked(FIN | CONTINUATION, &[3; 5])].concat();
    let message = [&[1; 10][..], &[2; 10], &[3; 5]].concat();
    assert_eq!(accepted(limited, &whole), [binary(&message)]);
    let header_of_six = masked(CONTINUATION, &[3; 6])[..6].to_vec();
    let error = ProtocolError::MessageTooLong { limit: 25 };
    assert_eq!(refused(limited, &[begun, header_of_six].concat(), error), []);
}

#[test]
fn a_limit_of_nothing_leaves_empty_messages() {
    let make = || Connection::server(&Config::new().max_message_length(0));
    assert_eq!(accepted(make, &masked(FIN | BINARY, b"")), [binary(b"")]);
    let error = ProtocolError::MessageTooLong { limit: 0 };
    assert_eq!(refused(make, &masked(FIN | TEXT, b"x"), error), []);
}
