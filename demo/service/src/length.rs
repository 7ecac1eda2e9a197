use std::ops::RangeInclusive;

use tonic::Status;

/// Checks that `length` is in the allowed range.
///
/// # Errors
/// `INVALID_ARGUMENT` with the field, its length and the allowed length.
pub(crate) fn check_length(
    field: &str,
    length: usize,
    allowed: RangeInclusive<usize>,
) -> Result<(), Status> {
    if allowed.contains(&length) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{field} has {length} bytes; it may have from {} to {}",
        allowed.start(),
        allowed.end(),
    )))
}
