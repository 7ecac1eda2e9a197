use sockeye_proto::ProtocolError;

use crate::harness::{InputMethod, client, feed, refused};
use crate::wire::{CONTINUATION, FIN, TEXT, bare};

/// Text up to and including the byte that no continuation can make valid.
const INVALID: [&[u8]; 8] = [
    b"ok \x80",
    b"ok \xc0",
    b"\xce\xba\xe1\xbd\xb9\xed\xa0",
    b"\xe0\x80",
    b"\xf4\x90",
    b"\xf5",
    b"\xf0\x9f\x98a",
    b"\xff",
];

#[test]
fn no_more_than_the_invalid_byte_is_needed() {
    for invalid in INVALID {
        // The frame continues for long, and more fragments would follow.
        let mut wire = bare(TEXT, &[invalid, &[b'x'; 50]].concat());
        wire.truncate(2 + invalid.len());
        assert_eq!(refused(client, &wire, ProtocolError::InvalidUtf8), []);
        wire.pop();
        let seen = feed(&mut client(), wire.chunks(1), InputMethod::Borrowed);
        assert_eq!(seen.error, None, "{invalid:x?}");
    }
}

#[test]
fn an_invalid_byte_in_a_later_fragment_is_noticed() {
    for invalid in INVALID {
        for at in 0..invalid.len() {
            let wire = [
                bare(TEXT, &invalid[..at]),
                bare(CONTINUATION, &invalid[at..]),
                bare(FIN | CONTINUATION, b"more"),
            ]
            .concat();
            assert_eq!(refused(client, &wire, ProtocolError::InvalidUtf8), []);
        }
    }
}

#[test]
fn text_that_ends_inside_a_character_is_refused() {
    for cut in [&b"\xc3"[..], b"x\xe2\x82", b"\xf0\x9f\x98"] {
        let whole = bare(FIN | TEXT, cut);
        assert_eq!(refused(client, &whole, ProtocolError::InvalidUtf8), []);
        let fragments = [bare(TEXT, cut), bare(FIN | CONTINUATION, b"")].concat();
        assert_eq!(refused(client, &fragments, ProtocolError::InvalidUtf8), []);
    }
}
