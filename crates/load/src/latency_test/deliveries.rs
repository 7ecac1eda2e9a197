//! The deliveries of a fan-out to one subscriber: which arrived, were doubled or came late.

use std::collections::BTreeSet;

/// Maximum number of gaps that are remembered to tell a late delivery from a doubled one. A late
/// delivery beyond them counts as doubled.
const MAX_MISSING: usize = 65_536;

/// The deliveries to one subscriber.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// Number of the message that is expected next: one more than the highest that arrived.
    next: u64,
    /// Numbers below `next` that have not arrived.
    missing: BTreeSet<u64>,
    /// Number of distinct messages that arrived.
    pub(crate) received: u64,
    /// Number of those that count.
    pub(crate) counted: u64,
}

/// The kind of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The delivery has a higher number than all earlier ones.
    InOrder,
    /// The delivery arrived after one with a higher number.
    Reordered,
    /// The message has arrived before.
    Doubled,
}

impl Deliveries {
    /// Counts the delivery of message `number`.
    pub(crate) fn count(&mut self, number: u64) -> Delivery {
        if number < self.next {
            if !self.missing.remove(&number) {
                return Delivery::Doubled;
            }
            self.received += 1;
            return Delivery::Reordered;
        }
        let room = MAX_MISSING - self.missing.len();
        self.missing.extend((self.next..number).take(room));
        self.next = number.saturating_add(1);
        self.received += 1;
        Delivery::InOrder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_late_and_doubled_deliveries_are_told_apart() {
        let mut deliveries = Deliveries::default();
        let kinds: Vec<_> = [0, 1, 4, 2, 2, 4, 5].map(|number| deliveries.count(number)).into();
        let [order, late, doubled] = [Delivery::InOrder, Delivery::Reordered, Delivery::Doubled];
        assert_eq!(kinds, [order, order, order, late, doubled, doubled, order]);
        assert_eq!(deliveries.received, 5, "message 3 is lost");
    }

    #[test]
    fn an_absurd_number_takes_bounded_memory() {
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.count(u64::MAX), Delivery::InOrder);
        assert_eq!(deliveries.missing.len(), MAX_MISSING);
    }
}
