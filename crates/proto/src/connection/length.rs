/// Converts a length that was compared with a limit or with the available bytes, either of which
/// fits a `usize`. Any other length saturates.
pub(super) fn as_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
