//! Any bytes inflate to the same output, or fail with the same error, in any pieces, and never
//! beyond the limit. The first byte configures: takeover, limit, and the size of pieces.

use crate::connections::{deflate, negotiate};
use sockeye_proto::deflate::Inflater;
use sockeye_proto::{ProtocolError, Role};

/// Inflates two messages up to a limit, so that the window may be taken over.
fn inflate_twice(
    mut inflater: Inflater,
    message: &[u8],
    size: usize,
    limit: usize,
) -> (Vec<Vec<u8>>, Option<ProtocolError>) {
    let mut messages = Vec::new();
    for _ in 0..2 {
        let mut out = Vec::new();
        let pieces = message.chunks(size).map(|piece| (piece, false)).chain([(&b""[..], true)]);
        for (piece, last) in pieces {
            let result = inflater.inflate(piece, last, &mut out, limit);
            assert!(out.len() <= limit + usize::from(result.is_err()));
            assert!(out.capacity() <= limit + 64);
            if let Err(error) = result {
                messages.push(out);
                return (messages, Some(error));
            }
        }
        messages.push(out);
    }
    (messages, None)
}

/// Checks one input.
pub fn check(input: &[u8]) {
    let [first, message @ ..] = input else { return };
    let config = deflate(u16::from(first & 1));
    let make = || negotiate(&config, &config).inflater(Role::Client);
    let limit = if first & 2 == 0 { 1 << 16 } else { usize::from(first >> 4) * 10 };
    let whole = inflate_twice(make(), message, message.len().max(1), limit);
    for size in [1, 2 + usize::from(first >> 2), 300] {
        assert_eq!(inflate_twice(make(), message, size, limit), whole);
    }
}
