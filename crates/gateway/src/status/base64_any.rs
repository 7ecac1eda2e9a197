//! Base64 as peers write it in headers: standard or URL-safe, padded or not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, STANDARD_NO_PAD_INDIFFERENT};

/// Decodes base64 of either alphabet, padded or not.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let is_url_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    if !is_url_safe {
        return STANDARD_NO_PAD_INDIFFERENT.decode(text).ok();
    }
    let standard: Vec<_> = text
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    STANDARD_NO_PAD_INDIFFERENT.decode(standard).ok()
}

/// Encodes in the standard alphabet without padding, as gRPC and Connect ask.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}
