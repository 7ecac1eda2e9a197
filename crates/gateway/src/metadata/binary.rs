use http::{HeaderName, HeaderValue};

use super::MetadataError;
use crate::status::base64_any;

/// Reports whether the values of a header are base64.
pub(super) fn is_binary(name: &HeaderName) -> bool {
    name.as_str().ends_with("-bin")
}

/// Returns the values of a binary header, which may be joined by commas, without padding. Padding
/// may be missing before, and the alphabet URL-safe.
///
/// # Errors
/// [`MetadataError::NotBase64`], and [`MetadataError::TooMany`] for more values than `max_values`.
pub(super) fn unpadded(
    name: &HeaderName,
    value: &HeaderValue,
    max_values: usize,
) -> Result<Vec<HeaderValue>, MetadataError> {
    let parts = value.as_bytes().split(|byte| *byte == b',');
    if parts.clone().count() > max_values {
        return Err(MetadataError::TooMany);
    }
    parts
        .map(|part| {
            let bytes = base64_any::decode(part.trim_ascii());
            bytes
                .and_then(|bytes| HeaderValue::from_str(&base64_any::encode(&bytes)).ok())
                .ok_or_else(|| MetadataError::NotBase64 { name: name.clone() })
        })
        .collect()
}
