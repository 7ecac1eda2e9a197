use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::push::ConnectionId;

/// Number of entries, in addition to twice the number of connections, at which stale entries are
/// removed.
const SLACK: usize = 1024;

/// The times at which a worker checks its connections. An entry is never changed: when a deadline
/// moves away, the worker queries it again at the time of the entry; when a deadline comes nearer,
/// it gets another entry, which makes the old one stale.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

impl Deadlines {
    pub(super) fn watch(&mut self, deadline: Instant, id: ConnectionId) {
        self.heap.push(Reverse((deadline, id)));
    }

    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Removes and returns an entry that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, ConnectionId)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Removes the entries that `is_current` rejects, once there are too many of them.
    pub(super) fn sweep(
        &mut self,
        connections: usize,
        mut is_current: impl FnMut(Instant, ConnectionId) -> bool,
    ) {
        if self.heap.len() > 2 * connections + SLACK {
            self.heap.retain(|Reverse((deadline, id))| is_current(*deadline, *id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_in_order_and_stale_ones_do_not_pile_up() {
        let start = Instant::now();
        let id = |serial| ConnectionId::new(0, 0, serial);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::default();
        for serial in [3, 1, 2] {
            deadlines.watch(at(serial), id(serial));
        }
        assert_eq!(deadlines.next(), Some(at(1)));
        assert_eq!(deadlines.pop_due(start), None);
        assert_eq!(deadlines.pop_due(at(2)), Some((at(1), id(1))));
        assert_eq!(deadlines.pop_due(at(2)), Some((at(2), id(2))));
        assert_eq!(deadlines.pop_due(at(2)), None);
        for serial in 10..5000 {
            deadlines.watch(at(serial), id(serial));
            deadlines.sweep(1, |_, entry| entry == id(3) || entry == id(serial));
        }
        assert!(deadlines.heap.len() <= SLACK + 3);
        assert_eq!(deadlines.pop_due(at(5)), Some((at(3), id(3))));
    }
}
