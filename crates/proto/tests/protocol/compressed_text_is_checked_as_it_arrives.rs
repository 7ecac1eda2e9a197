use sockeye_proto::{Config, Connection, ProtocolError};

use crate::harness::{compressing_server, refused};
use crate::wire::{FIN, RSV1, TEXT, masked};

fn server() -> Connection {
    compressing_server(&Config::new().max_message_length(40))
}

/// Returns a DEFLATE block without compression.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat()
}

#[test]
fn the_bad_byte_is_seen_before_the_message_ends() {
    let wire = masked(RSV1 | TEXT, &stored(b"ok \xff and more that does not matter"));
    assert_eq!(refused(server, &wire, ProtocolError::InvalidUtf8), []);
}

#[test]
fn of_two_errors_the_first_in_the_message_counts() {
    let text_then_garbage = [&stored(b"ok \xff")[..], b"\x07"].concat();
    let wire = masked(FIN | RSV1 | TEXT, &text_then_garbage);
    assert_eq!(refused(server, &wire, ProtocolError::InvalidUtf8), []);

    let text_then_limit = stored(&[&b"ok \xff"[..], &[b'x'; 100]].concat());
    let wire = masked(FIN | RSV1 | TEXT, &text_then_limit);
    assert_eq!(refused(server, &wire, ProtocolError::InvalidUtf8), []);

    let limit_then_text = stored(&[&[b'x'; 100][..], b"\xff"].concat());
    let wire = masked(FIN | RSV1 | TEXT, &limit_then_text);
    assert_eq!(refused(server, &wire, ProtocolError::MessageTooLong { limit: 40 }), []);

    let garbage_then_text = [b"\x07", &stored(b"ok \xff")[..]].concat();
    let wire = masked(FIN | RSV1 | TEXT, &garbage_then_text);
    assert_eq!(refused(server, &wire, ProtocolError::InvalidDeflate), []);
}
