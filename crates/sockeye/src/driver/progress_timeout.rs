use std::future::Future;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_proto::{Charge, MemoryBudget, ProtocolError};
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep};

/// A limit on the time without progress. The timer exists only while a wait lasts.
#[derive(Debug, Default)]
pub(crate) struct ProgressTimeout {
    /// The limit in milliseconds, rounded up. The field has four bytes because every idle
    /// connection holds two of them; a limit of more than 49 days counts as none.
    limit: Option<NonZeroU32>,
    /// The current wait, if any.
    wait: Option<Box<Wait>>,
}

#[derive(Debug, Default)]
struct Wait {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The charge of the waiting bytes to a budget.
    charge: Option<Charge>,
}

/// The error of a wait without progress for too long.
#[derive(Debug)]
pub(crate) struct Elapsed;

impl ProgressTimeout {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let milliseconds = |time: Duration| {
            let milliseconds = u32::try_from(time.as_nanos().div_ceil(1_000_000)).ok()?;
            Some(NonZeroU32::new(milliseconds).unwrap_or(NonZeroU32::MIN))
        };
        Self { limit: limit.and_then(milliseconds), wait: None }
    }

    /// Sets a limit if there is none: a closing handshake always has a limit.
    pub(crate) fn ensure_limit(&mut self, limit: Duration) {
        if self.limit.is_none() {
            self.limit = Self::new(Some(limit)).limit;
        }
    }

    /// Records progress: ends the wait, and the charge to a budget.
    #[inline]
    pub(crate) fn reset(&mut self) {
        if self.wait.is_some() {
            self.wait = None;
        }
    }

    /// Charges `held` waiting bytes to a budget, until [`reset`](Self::reset). The task is woken
    /// when the budget needs the bytes for other connections.
    #[cold]
    pub(crate) fn charge(
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

    /// Returns the result of `attempt`, or [`Elapsed`] when the time without progress exceeds the
    /// limit. `moved` returns whether a pending attempt has made progress.
    #[inline]
    pub(crate) fn poll_progress<T>(
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

    /// Waits until the limit has passed since the first call after the last progress.
    #[cold]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let limit = Duration::from_millis(limit.get().into());
        let wait = self.wait.get_or_insert_default();
        let sleep = wait.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        // A sleep never completes for a task without cooperative budget: see `Timer`.
        pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}
