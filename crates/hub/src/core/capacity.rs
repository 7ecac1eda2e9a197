//! The rule by which collections that have shrunk give memory back.

/// Returns whether three quarters of a collection's memory are unused. What then remains is to be
/// twice what is used, so that the cost of moving it is that of the removals before.
pub(crate) const fn is_wasteful(length: usize, capacity: usize) -> bool {
    length < capacity / 4 && capacity > 8
}

/// Gives memory back when three quarters are unused.
pub(crate) fn shrink<T>(values: &mut Vec<T>) {
    if is_wasteful(values.len(), values.capacity()) {
        values.shrink_to(values.len() * 2);
    }
}
