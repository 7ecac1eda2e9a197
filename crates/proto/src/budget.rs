//! A memory budget that many connections share.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::error::ProtocolError;

/// Minimum number of bytes held by a candidate, which is a holder that can be chosen to be closed.
/// Smaller holders are counted without a lock. The value limits a budget of 256 MiB to 4,096
/// candidates to compare.
const CANDIDATE_FROM: usize = 64 * 1024;

/// A budget, in bytes, for the unfinished data of all connections of a server: partly received
/// messages, including their inflated data, and output that the peer does not accept.
///
/// Clones share the budget. When the budget is used up, the connection that holds the most bytes is
/// chosen, or one that has held at least half as much for longer: a peer that reads is not closed
/// because of peers that do not. The budget wakes the driver of that connection, which closes the connection at once with
/// 1013 (try again later). Until the driver has done so, the other connections may exceed the
/// budget by a quarter; a connection that needs more than that is closed too. A connection without
/// unfinished data has no charge and costs nothing.
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
    /// The part of `held` that belongs to chosen holders, which are about to release it.
    leaving: AtomicUsize,
    closed: AtomicU64,
    candidates: Mutex<Vec<Arc<Candidate>>>,
    /// Number of candidates so far.
    added: AtomicU64,
}

/// The shared state of a holder that has held [`CANDIDATE_FROM`] bytes or more.
#[derive(Debug, Default)]
struct Candidate {
    /// Number of candidates that were added before.
    number: u64,
    held: AtomicUsize,
    chosen: AtomicBool,
    /// Number of bytes that the holder held when it was chosen, or 0.
    leaving: AtomicUsize,
    /// Index in the list of candidates, whose lock also guards this field.
    index: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

/// The bytes of a [`MemoryBudget`] that one holder uses. Dropping the charge releases the bytes.
///
/// A driver creates a charge with [`MemoryBudget::charge`] for output that its peer does not
/// accept. [`Connection::charge`](crate::Connection::charge) charges partly received messages.
pub struct Charge {
    budget: MemoryBudget,
    held: usize,
    candidate: Option<Arc<Candidate>>,
    /// Copy of the candidate's waker, which can be compared without a lock.
    waker: Option<Waker>,
    /// `true` once [`Charge::set`] has failed and has counted the holder as closed.
    closed: bool,
}

impl MemoryBudget {
    /// Returns a new budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            held: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            closed: AtomicU64::new(0),
            candidates: Mutex::default(),
            added: AtomicU64::new(0),
        }))
    }

    /// Returns the limit, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns the number of bytes held now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Returns the number of connections that were closed because the budget was used up.
    pub fn closed(&self) -> u64 {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Returns a charge of 0 bytes for a new holder.
    pub fn charge(&self) -> Charge {
        Charge { budget: self.clone(), held: 0, candidate: None, waker: None, closed: false }
    }

    /// Returns whether the bytes held, without those about to be released, exceed the limit.
    fn is_used_up(&self) -> bool {
        let leaving = self.0.leaving.load(Ordering::Relaxed);
        self.held().saturating_sub(leaving) > self.0.limit
    }

    /// Chooses large holders, one by one, until the bytes of all other holders are within the
    /// budget, and wakes the drivers of the chosen holders.
    #[cold]
    fn choose(&self) {
        let mut wakers = Vec::new();
        let candidates = self.0.lock();
        while self.is_used_up() {
            let bytes = |candidate: &Candidate| candidate.held.load(Ordering::Relaxed);
            let others = || candidates.iter().filter(|other| !other.chosen.load(Ordering::Relaxed));
            let most = others().map(|candidate| bytes(candidate)).max().unwrap_or_default();
            let large = others().filter(|candidate| bytes(candidate) >= most / 2);
            let Some(oldest) = large.min_by_key(|candidate| candidate.number) else { break };
            oldest.chosen.store(true, Ordering::Relaxed);
            let leaving = bytes(oldest);
            oldest.leaving.store(leaving, Ordering::Relaxed);
            self.0.leaving.fetch_add(leaving, Ordering::Relaxed);
            wakers.extend(oldest.lock_waker().take());
        }
        drop(candidates);
        // Drivers are woken without the lock, since a driver may release its charge at once.
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Candidate>>> {
        self.candidates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_candidate(&self) -> Arc<Candidate> {
        let number = self.added.fetch_add(1, Ordering::Relaxed);
        let candidate = Arc::new(Candidate { number, ..Candidate::default() });
        let mut candidates = self.lock();
        candidate.index.store(candidates.len(), Ordering::Relaxed);
        candidates.push(candidate.clone());
        candidate
    }

    fn remove_candidate(&self, candidate: &Candidate) {
        let mut candidates = self.lock();
        let index = candidate.index.load(Ordering::Relaxed);
        if index < candidates.len() {
            candidates.swap_remove(index);
        }
        if let Some(moved) = candidates.get(index) {
            moved.index.store(index, Ordering::Relaxed);
        }
        self.leaving.fetch_sub(candidate.leaving.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Candidate {
    fn lock_waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Sets the number of bytes that this holder uses.
    ///
    /// # Errors
    /// [`ProtocolError::OverBudget`] if the budget is used up and this holder's connection must be
    /// closed.
    pub fn set(&mut self, held: usize) -> Result<(), ProtocolError> {
        if held == self.held && !self.is_chosen() && !self.closed {
            return Ok(());
        }
        let shared = &*self.budget.0;
        let before = mem::replace(&mut self.held, held);
        if held >= before {
            shared.held.fetch_add(held - before, Ordering::Relaxed);
        } else {
            shared.held.fetch_sub(before - held, Ordering::Relaxed);
        }
        if held >= CANDIDATE_FROM && self.candidate.is_none() {
            self.candidate = Some(self.budget.0.add_candidate());
        }
        if let Some(candidate) = &self.candidate {
            candidate.held.store(held, Ordering::Relaxed);
        }
        if held > before && self.budget.is_used_up() {
            self.budget.choose();
        }
        let most = shared.limit.saturating_add(shared.limit / 4);
        let within = held <= before || self.budget.held() <= most;
        if within && !self.is_chosen() && !self.closed {
            return Ok(());
        }
        if !mem::replace(&mut self.closed, true) {
            shared.closed.fetch_add(1, Ordering::Relaxed);
        }
        Err(ProtocolError::OverBudget { limit: shared.limit })
    }

    /// Returns whether this holder was chosen to be closed: the next [`set`](Self::set) fails.
    pub fn is_chosen(&self) -> bool {
        let chosen = |candidate: &Arc<Candidate>| candidate.chosen.load(Ordering::Relaxed);
        self.candidate.as_ref().is_some_and(chosen)
    }

    /// Returns whether this holder is large enough to be chosen, and has no waker yet.
    pub fn needs_waker(&self) -> bool {
        self.candidate.is_some() && self.waker.is_none()
    }

    /// Sets the waker to wake when this holder is chosen, and wakes it at once if this holder was
    /// chosen already. Does nothing for a holder that is too small to be chosen.
    pub fn wake_by(&mut self, waker: &Waker) {
        let Some(candidate) = &self.candidate else { return };
        if self.waker.as_ref().is_some_and(|registered| registered.will_wake(waker)) {
            return;
        }
        self.waker = Some(waker.clone());
        *candidate.lock_waker() = Some(waker.clone());
        // Another thread may have chosen the holder, and released the lock of the waker, before the
        // waker was set.
        if self.is_chosen() {
            let unseen = candidate.lock_waker().take();
            unseen.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let shared = &*self.budget.0;
        shared.held.fetch_sub(self.held, Ordering::Relaxed);
        if let Some(candidate) = &self.candidate {
            shared.remove_candidate(candidate);
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
    use std::task::Wake;

    use super::*;
    use crate::connection::{Config, Connection, Input};

    const KIB: usize = 1024;
    const OVER: Result<(), ProtocolError> = Err(ProtocolError::OverBudget { limit: 1000 * KIB });

    #[test]
    fn the_largest_holder_goes_first() {
        let budget = MemoryBudget::new(1000 * KIB);
        let [mut large, mut middle, mut small] = [(); 3].map(|()| budget.charge());
        assert_eq!(large.set(600 * KIB), Ok(()));
        assert_eq!(middle.set(300 * KIB), Ok(()));
        assert_eq!(small.set(99 * KIB), Ok(()));
        assert_eq!(small.set(120 * KIB), Ok(()), "while the largest is notified");
        assert_eq!(middle.set(301 * KIB), Ok(()));
        assert_eq!(large.set(600 * KIB), OVER, "though it does not grow");
        drop(large);
        assert_eq!((budget.held(), budget.closed()), (421 * KIB, 1));
        assert_eq!(middle.set(800 * KIB), Ok(()));
        drop((middle, small));
        assert_eq!(budget.held(), 0);
        assert!(budget.0.candidates.lock().unwrap().is_empty());
    }

    #[test]
    fn of_holders_of_about_the_same_size_the_oldest_goes_first() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut charges: Vec<_> = (0..4).map(|_| budget.charge()).collect();
        for charge in &mut charges {
            assert_eq!(charge.set(280 * KIB), Ok(()));
        }
        let chosen = |charges: &[Charge]| charges.iter().map(Charge::is_chosen).collect::<Vec<_>>();
        assert_eq!(chosen(&charges), [true, false, false, false]);
        charges.remove(0);
        // One that comes later is somewhat larger.
        let mut later = budget.charge();
        assert_eq!(later.set(300 * KIB), Ok(()));
        charges.push(later);
        assert_eq!(chosen(&charges), [true, false, false, false]);
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_chosen_holder_is_woken_at_once() {
        let budget = MemoryBudget::new(1000 * KIB);
        let [mut large, mut small] = [(); 2].map(|()| budget.charge());
        let [woken, other] = [(); 2].map(|()| Arc::new(Count::default()));
        assert_eq!(large.set(600 * KIB), Ok(()));
        assert!(large.needs_waker());
        large.wake_by(&woken.clone().into());
        assert!(!large.needs_waker());
        assert_eq!(small.set(300 * KIB), Ok(()));
        small.wake_by(&other.clone().into());
        assert_eq!(small.set(500 * KIB), Ok(()));
        assert!(large.is_chosen() && !small.is_chosen());
        assert_eq!((woken.0.load(Ordering::Relaxed), other.0.load(Ordering::Relaxed)), (1, 0));
        // A waker that is set later is woken too, and a chosen holder fails even if it shrinks.
        let moved = Arc::new(Count::default());
        large.wake_by(&moved.clone().into());
        assert_eq!(moved.0.load(Ordering::Relaxed), 1);
        assert_eq!(large.set(0), OVER);
        assert_eq!((large.set(10), budget.closed()), (OVER, 1), "counted once");
        drop(large);
        assert_eq!(budget.0.leaving.load(Ordering::Relaxed), 0);
        assert_eq!(small.set(900 * KIB), Ok(()));
        assert_eq!(other.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_silent_connection_is_woken_to_close_with_1013() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut connection = Connection::server(&Config::new());
        let mut out = Vec::new();
        // A binary message of 512 KiB, of which 300 KiB arrive.
        let mut input = vec![0x82, 0xff, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0];
        input.resize(14 + 300 * KIB, 0);
        assert!(connection.receive(&mut Input::new(&mut input), &mut out).unwrap().is_none());
        assert_eq!(connection.charge(&budget, &mut out), Ok(()));
        let woken = Arc::new(Count::default());
        connection.message_charge().unwrap().wake_by(&woken.clone().into());
        let mut other = budget.charge();
        assert_eq!(other.set(200 * KIB), Ok(()));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        let mut third = budget.charge();
        assert_eq!(third.set(200 * KIB), Ok(()));
        assert_eq!(third.set(290 * KIB), Ok(()));
        assert_eq!(other.set(290 * KIB), Ok(()));
        assert_eq!(other.set(299 * KIB), Ok(()));
        assert_eq!(third.set(299 * KIB), Ok(()));
        let mut fourth = budget.charge();
        assert_eq!(fourth.set(150 * KIB), Ok(()));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "it holds most");
        assert_eq!(connection.charge(&budget, &mut out), OVER);
        assert_eq!(out[..1], [0x88]);
        assert_eq!(out[2..4], u16::from(crate::CloseCode::TRY_AGAIN_LATER).to_be_bytes());
        drop((other, third, fourth));
        assert_eq!((budget.held(), budget.closed()), (0, 1));
    }

    #[test]
    fn candidates_leave_in_any_order() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut charges: Vec<_> = (0..9).map(|_| budget.charge()).collect();
        for (number, charge) in charges.iter_mut().enumerate() {
            assert_eq!(charge.set((64 + number) * KIB), Ok(()));
        }
        for index in [4, 0, 6, 1] {
            drop(charges.remove(index));
        }
        let mut last = budget.charge();
        assert_eq!(last.set(600 * KIB), Ok(()));
        assert!(charges.iter().all(|charge| !charge.is_chosen()));
        drop((charges, last));
        assert!(budget.0.candidates.lock().unwrap().is_empty());
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn whoever_takes_the_budget_alone_is_closed() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut only = budget.charge();
        assert_eq!(only.set(1000 * KIB), Ok(()));
        assert_eq!(only.set(1001 * KIB), OVER);
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
    fn holders_that_are_notified_late_do_not_let_others_exceed_the_bound() {
        let budget = MemoryBudget::new(1000 * KIB);
        let mut late = budget.charge();
        assert_eq!(late.set(1000 * KIB), Ok(()));
        let mut others: Vec<_> = (0..100).map(|_| budget.charge()).collect();
        let refused = others
            .iter_mut()
            .filter_map(|charge| charge.set(100 * KIB).is_err().then(|| *charge = budget.charge()));
        assert_eq!(refused.count(), 98);
        assert_eq!(late.set(1000 * KIB), OVER);
    }
}
