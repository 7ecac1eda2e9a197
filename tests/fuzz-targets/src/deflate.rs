//! A compressed message, with any settings and in any fragments, inflates to the original. The
//! first four bytes configure.

use crate::connections::{deflate, negotiate};
use sockeye_proto::Role;

/// Checks one input.
pub fn check(input: &[u8]) {
    let [high, low, size, times, message @ ..] = input else { return };
    let config = deflate(u16::from_be_bytes([*high, *low]));
    let parameters = negotiate(&config, &config);
    let mut deflater = parameters.deflater(Role::Server, &config);
    let mut inflater = parameters.inflater(Role::Client);
    // Repetition makes long distances, and output that exceeds one step.
    let message = message.repeat(1 + usize::from(times % 8));
    for size in [message.len().max(1), 1 + usize::from(*size)] {
        let (mut out, mut length) = (Vec::new(), 0);
        let fragments = message.chunks(size).map(|fragment| (fragment, false));
        for (fragment, last) in fragments.chain([(&b""[..], true)]) {
            let mut wire = Vec::new();
            deflater.compress(fragment, last, &mut wire);
            length += fragment.len();
            inflater.inflate(&wire, last, &mut out, length).expect("our own");
            assert_eq!(out, &message[..length]);
        }
        if times & 0x80 != 0 {
            deflater.release();
        }
        let mut wire = Vec::new();
        deflater.compress(&message, true, &mut wire);
        let mut out = Vec::new();
        inflater.inflate(&wire, true, &mut out, message.len()).expect("our own");
        assert_eq!(out, &message[..]);
    }
}
