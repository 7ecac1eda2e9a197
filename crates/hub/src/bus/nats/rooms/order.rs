use std::collections::BTreeMap;
use std::time::Duration;

/// The time for which a record waits for the one before it. Chosen: records change places while
/// the server handles two publishers at the same moment.
pub(super) const WAIT: Duration = Duration::from_millis(20);

/// The number of records that wait.
const MAX_WAITING: usize = 64;

/// Restores the order of records that a stream has republished: servers of version 2.9 republish
/// what several clients publish at the same moment in any order. A record that does not come in
/// time leaves a hole, which the node reads from the history.
#[derive(Debug)]
pub(super) struct Order<T> {
    last: u64,
    /// By the sequence of each record: the one of the record before it, and the record.
    waiting: BTreeMap<u64, (u64, T)>,
}

impl<T> Order<T> {
    pub(super) const fn new() -> Self {
        Self { last: 0, waiting: BTreeMap::new() }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a record with its sequence and the one of the record before it, 0 if that is unknown.
    pub(super) fn push(&mut self, sequence: u64, previous: u64, record: T) {
        self.waiting.insert(sequence, (previous, record));
    }

    /// Returns the next record whose turn it is; with `late`, the next one.
    pub(super) fn pop(&mut self, late: bool) -> Option<T> {
        let first = self.waiting.first_entry()?;
        let sequence = *first.key();
        let follows = self.last == 0 || first.get().0 <= self.last;
        if !follows && !late && self.waiting.len() <= MAX_WAITING {
            return None;
        }
        self.last = self.last.max(sequence);
        self.waiting.pop_first().map(|(_, (_, record))| record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop_all(order: &mut Order<u64>, late: bool) -> Vec<u64> {
        std::iter::from_fn(|| order.pop(late)).collect()
    }

    #[test]
    fn records_wait_for_the_one_before_them() {
        let mut order = Order::new();
        order.push(5, 0, 5);
        assert_eq!(pop_all(&mut order, false), [5]);
        order.push(9, 7, 9);
        order.push(12, 9, 12);
        assert!(pop_all(&mut order, false).is_empty());
        order.push(7, 5, 7);
        assert_eq!(pop_all(&mut order, false), [7, 9, 12]);
        assert!(!order.is_waiting());
    }

    #[test]
    fn but_not_for_ever_and_not_more_than_fit() {
        let mut order = Order::new();
        order.push(1, 0, 1);
        assert_eq!(pop_all(&mut order, false), [1]);
        order.push(5, 4, 5);
        assert!(pop_all(&mut order, false).is_empty());
        assert_eq!(pop_all(&mut order, true), [5]);
        for sequence in 0..200 {
            order.push(100 + 2 * sequence, 99 + 2 * sequence, sequence);
            pop_all(&mut order, false);
            assert!(order.waiting.len() <= MAX_WAITING);
        }
    }

    #[test]
    fn records_of_a_stream_that_begins_again_do_not_wait() {
        let mut order = Order::new();
        order.push(500, 499, 500);
        assert_eq!(pop_all(&mut order, false), [500]);
        for sequence in [1, 2, 3] {
            order.push(sequence, sequence - 1, sequence);
            assert_eq!(pop_all(&mut order, false), [sequence]);
        }
    }
}
