//! The choice of an address for a call.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The choice of an address among those that are reachable and healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// Each address in turn.
    #[default]
    RoundRobin,
    /// The address with the fewest calls in progress; among several, each in turn.
    LeastPending,
}

/// The state of an address when a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Cleared by a health check that failed.
    pub(super) is_healthy: bool,
    /// Cleared by a failed attempt to connect.
    pub(super) is_reachable: bool,
    /// Set if an earlier attempt of this call used the address.
    pub(super) was_tried: bool,
    /// Number of calls in progress.
    pub(super) pending: usize,
}

/// Chooses addresses.
#[derive(Debug)]
pub(super) struct Balancer {
    balance: Balance,
    next: AtomicUsize,
}

impl Balancer {
    pub(super) fn new(balance: Balance) -> Self {
        Self { balance, next: AtomicUsize::new(0) }
    }

    /// Returns the index of an address, or `None` if none is healthy.
    ///
    /// Reachable addresses come before others, and addresses that this call has not tried come
    /// before those that it has.
    pub(super) fn choose(
        &self,
        count: usize,
        condition: impl Fn(usize) -> Condition,
    ) -> Option<usize> {
        if count == 0 {
            return None;
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count;
        if count == 1 {
            return condition(0).is_healthy.then_some(0);
        }
        let candidates = (0..count).map(|offset| (first + offset) % count);
        let rank = |index: &usize| {
            let known = condition(*index);
            let pending = if self.balance == Balance::LeastPending { known.pending } else { 0 };
            (known.was_tried, !known.is_reachable, pending)
        };
        // The first of several that are equal: the next in turn.
        candidates.filter(|index| condition(*index).is_healthy).min_by_key(rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Condition =
        Condition { is_healthy: true, is_reachable: true, was_tried: false, pending: 0 };

    fn choose(balancer: &Balancer, conditions: &[Condition]) -> Option<usize> {
        balancer.choose(conditions.len(), |index| conditions[index])
    }

    #[test]
    fn addresses_take_turns() {
        let balancer = Balancer::new(Balance::RoundRobin);
        let chosen: Vec<_> = (0..6).map(|_| choose(&balancer, &[GOOD; 3])).collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2].map(Some));
        assert_eq!(choose(&balancer, &[]), None);
    }

    #[test]
    fn the_address_with_the_fewest_calls_is_chosen() {
        let balancer = Balancer::new(Balance::LeastPending);
        let with = |pending| Condition { pending, ..GOOD };
        for _ in 0..4 {
            assert_eq!(choose(&balancer, &[with(3), with(1), with(2)]), Some(1));
        }
        let chosen: Vec<_> = (0..2).map(|_| choose(&balancer, &[with(1), with(1)])).collect();
        assert_ne!(chosen[0], chosen[1]);
    }

    #[test]
    fn unhealthy_addresses_are_never_chosen() {
        let sick = Condition { is_healthy: false, ..GOOD };
        for balance in [Balance::RoundRobin, Balance::LeastPending] {
            let balancer = Balancer::new(balance);
            for _ in 0..4 {
                assert_eq!(choose(&balancer, &[sick, GOOD, sick]), Some(1));
                assert_eq!(choose(&balancer, &[sick, sick]), None);
                assert_eq!(choose(&balancer, &[sick]), None);
            }
        }
    }

    #[test]
    fn an_unreachable_or_tried_address_is_the_last_resort() {
        let unreachable = Condition { is_reachable: false, ..GOOD };
        let tried = Condition { was_tried: true, ..GOOD };
        let balancer = Balancer::new(Balance::RoundRobin);
        for _ in 0..4 {
            assert_eq!(choose(&balancer, &[unreachable, GOOD]), Some(1));
            assert_eq!(choose(&balancer, &[tried, unreachable]), Some(1));
            assert!(choose(&balancer, &[unreachable, unreachable]).is_some());
        }
    }
}
