//! A budget of memory that many connections share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A connection that holds this much of an unfinished message, in bytes, can be chosen to be closed. Smaller ones are counted
/// without a lock. Chosen so that a budget of 256 MiB has at most 4,096 of them to compare.
const CANDIDATE_FROM: usize = 64 * 1024;

/// A budget in bytes for what all connections of a server hold of messages that are not finished: fragments, the part of a
/// frame that arrived, and what they inflate to.
///
/// Clones share the budget. When it is used up, the connection that holds most is closed with 1013 (try again later), as soon
/// as its driver looks at it again: when input arrives, or when its timer fires. Meanwhile the others may use a quarter more;
/// beyond that, whoever needs more is closed. A connection that holds nothing takes no part in it, and costs nothing.
///
/// ```
/// use sockeye_proto::MemoryBudget;
///
/// let budget = MemoryBudget::new(64 << 20);
/// assert_eq!((budget.limit(), budget.held(), budget.closed()), (64 << 20, 0, 0));
/// ```
#[derive(Clone)]
pub struct MemoryBudget(Arc<Shared>);

struct Shared {
    limit: usize,
    held: AtomicUsize,
    closed: AtomicU64,
    candidates: Mutex<Vec<Arc<Candidate>>>,
}

/// A connection that holds much.
#[derive(Debug, Default)]
struct Candidate {
    held: AtomicUsize,
    chosen: AtomicBool,
}

/// What one connection holds of a budget; given back when it is dropped.
pub(crate) struct Charge {
    budget: MemoryBudget,
    held: usize,
    candidate: Option<Arc<Candidate>>,
}

/// The connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded;

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            held: AtomicUsize::new(0),
            closed: AtomicU64::new(0),
            candidates: Mutex::default(),
        }))
    }

    /// Returns the budget, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns how much is held now, in bytes.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Returns how many connections were closed because the budget was used up.
    pub fn closed(&self) -> u64 {
        self.0.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn charge(&self) -> Charge {
        Charge { budget: self.clone(), held: 0, candidate: None }
    }

    /// Chooses the largest holders until what is held without them is within the budget. Says whether what is held is within
    /// what others may use until the chosen ones are gone.
    #[cold]
    fn choose(&self) -> bool {
        let candidates = self.0.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.held();
        let is_chosen = |candidate: &&Arc<Candidate>| candidate.chosen.load(Ordering::Relaxed);
        let bytes = |candidate: &Arc<Candidate>| candidate.held.load(Ordering::Relaxed);
        let leaving: usize = candidates.iter().filter(is_chosen).map(bytes).sum();
        let mut rest = held.saturating_sub(leaving);
        while rest > self.0.limit {
            let others = candidates.iter().filter(|candidate| !is_chosen(candidate));
            let Some(largest) = others.max_by_key(|candidate| bytes(candidate)) else { break };
            largest.chosen.store(true, Ordering::Relaxed);
            rest = rest.saturating_sub(bytes(largest));
        }
        held <= self.0.limit.saturating_add(self.0.limit / 4)
    }
}

impl Charge {
    /// The connection holds so many bytes now.
    pub(crate) fn set(&mut self, held: usize) -> Result<(), Exceeded> {
        let shared = &*self.budget.0;
        if held >= self.held {
            shared.held.fetch_add(held - self.held, Ordering::Relaxed);
        } else {
            shared.held.fetch_sub(self.held - held, Ordering::Relaxed);
        }
        let grows = held > self.held;
        self.held = held;
        if held >= CANDIDATE_FROM && self.candidate.is_none() {
            let candidate = Arc::new(Candidate::default());
            shared
                .candidates
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(candidate.clone());
            self.candidate = Some(candidate);
        }
        if let Some(candidate) = &self.candidate {
            candidate.held.store(held, Ordering::Relaxed);
        }
        let within =
            !grows || shared.held.load(Ordering::Relaxed) <= shared.limit || self.budget.choose();
        let chosen = self
            .candidate
            .as_ref()
            .is_some_and(|candidate| candidate.chosen.load(Ordering::Relaxed));
        if within && !chosen {
            return Ok(());
        }
        shared.closed.fetch_add(1, Ordering::Relaxed);
        Err(Exceeded)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let shared = &*self.budget.0;
        shared.held.fetch_sub(self.held, Ordering::Relaxed);
        if let Some(candidate) = &self.candidate {
            let mut all = shared.candidates.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|other| !Arc::ptr_eq(other, candidate));
        }
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget")
            .field("limit", &self.limit())
            .field("held", &self.held())
            .field("closed", &self.closed())
            .finish()
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge").field("held", &self.held).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[test]
    fn the_largest_holder_goes_first() {
        let budget = MemoryBudget::new(1000 * KIB);
        let [mut large, mut middle, mut small] = [(); 3].map(|()| budget.charge());
        assert_eq!(large.set(600 * KIB), Ok(()));
        assert_eq!(middle.set(300 * KIB), Ok(()));
        assert_eq!(small.set(99 * KIB), Ok(()));
        assert_eq!(small.set(120 * KIB), Ok(()), "while the largest is told");
        assert_eq!(middle.set(301 * KIB), Ok(()));
        assert_eq!(large.set(600 * KIB), Err(Exceeded), "though it does not grow");
        drop(large);
        assert_eq!((budget.held(), budget.closed()), (421 * KIB, 1));
        assert_eq!(middle.set(800 * KIB), Ok(()));
        drop((middle, small));
        assert_eq!(budget.held(), 0);
        assert!(budget.0.candidates.lock().unwrap().is_empty());
    }

    #[test]
    fn whoever_takes_the_budget_alone_is_closed() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut only = budget.charge();
        assert_eq!(only.set(1000 * KIB), Ok(()));
        assert_eq!(only.set(1001 * KIB), Err(Exceeded));
    }

    #[test]
    fn many_small_holders_stay_within_a_quarter_more() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut charges: Vec<_> = (0..1000).map(|_| budget.charge()).collect();
        for charge in &mut charges {
            if charge.set(10 * KIB).is_err() {
                *charge = budget.charge();
            }
        }
        assert!(budget.held() <= 1250 * KIB, "{}", budget.held());
        assert_eq!(budget.closed(), 1000 - 125);
    }

    #[test]
    fn holders_that_are_told_late_do_not_let_others_pass_the_bound() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut late = budget.charge();
        assert_eq!(late.set(1000 * KIB), Ok(()));
        let mut others: Vec<_> = (0..100).map(|_| budget.charge()).collect();
        let refused = others
            .iter_mut()
            .filter_map(|charge| charge.set(100 * KIB).is_err().then(|| *charge = budget.charge()));
        assert_eq!(refused.count(), 98);
        assert_eq!(late.set(1000 * KIB), Err(Exceeded));
    }
}
