use std::future::Future;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_proto::{Charge, MemoryBudget, ProtocolError};
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep};

/// How long something may wait. There is no timer until it has to, and none once it goes on.
#[derive(Debug, Default)]
pub(crate) struct ProgressTimeout {
    /// In milliseconds, rounded up: every idle connection holds two of them. What is longer than 49 days is for ever.
    limit: Option<NonZeroU32>,
    /// There while something waits.
    wait: Option<Box<Wait>>,
}

#[derive(Debug, Default)]
struct Wait {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The bytes that wait, as they count in a budget.
    charge: Option<Charge>,
}

/// It has waited for too long.
#[derive(Debug)]
pub(super) struct Elapsed;

impl ProgressTimeout {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let milliseconds = |time: Duration| {
            let milliseconds = u32::try_from(time.as_nanos().div_ceil(1_000_000)).ok()?;
            Some(NonZeroU32::new(milliseconds).unwrap_or(NonZeroU32::MIN))
        };
        Self { limit: limit.and_then(milliseconds), wait: None }
    }

    /// Limits the wait from now on, where it has no limit: a closing handshake is bounded in any case.
    pub(super) fn limit(&mut self, limit: Duration) {
        if self.limit.is_none() {
            self.limit = Self::new(Some(limit)).limit;
        }
    }

    /// It went on: nothing waits, and nothing counts in a budget.
    #[inline]
    pub(crate) fn reset(&mut self) {
        if self.wait.is_some() {
            self.wait = None;
        }
    }

    /// Counts `held` bytes that wait against a budget, until [`reset`](Self::reset). The task is woken when they are to be given
    /// up for others.
    #[cold]
    pub(super) fn charge(
        &mut self,
        cx: &Context<'_>,
        budget: &MemoryBudget,
        held: usize,
    ) -> Result<(), ProtocolError> {
        let wait = self.wait.get_or_insert_default();
        let charge = wait.charge.get_or_insert_with(|| budget.charge());
        charge.set(held)?;
        charge.wake_by(cx.waker());
        Ok(())
    }

    /// What became of an attempt, or an error when nothing has moved for too long; `moved` says whether something has,
    /// where the attempt is not over.
    #[inline]
    pub(super) fn poll_progress<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: Poll<T>,
        moved: impl FnOnce() -> bool,
    ) -> Poll<Result<T, Elapsed>> {
        if attempt.is_ready() {
            self.reset();
        } else if let (true, Some(wait)) = (moved(), &mut self.wait) {
            wait.sleep = None;
        }
        match attempt {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll(cx).map(|()| Err(Elapsed)),
        }
    }

    /// It waits: ready when it has done so for too long, counted from the first call since it went on.
    #[cold]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let limit = Duration::from_millis(limit.get().into());
        let wait = self.wait.get_or_insert_default();
        let sleep = wait.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        // A sleep is not over for a task without budget: see `Timer`.
        pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}
