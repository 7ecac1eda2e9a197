/// Gives memory back when three quarters are unused. What remains is twice what is used, so that
/// the cost of moving it is that of the removals before.
pub(super) fn shrink<T>(values: &mut Vec<T>) {
    if values.len() < values.capacity() / 4 && values.capacity() > 8 {
        values.shrink_to(values.len() * 2);
    }
}
