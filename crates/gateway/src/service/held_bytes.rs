//! The bytes that a call holds whole, charged to the memory budget of the gateway.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use sockeye::{Charge, MemoryBudget};

use crate::status::{Code, Status};

/// Length from which on bytes are charged. Chosen: less than the buffers that a connection has
/// anyway.
pub(super) const MIN_CHARGED: usize = 4 * 1024;

/// The message of a call that has no memory any more.
pub(super) const NO_MEMORY: &str = "the gateway has no memory for the messages of the call";

/// The bytes of a call that wait whole: a request that arrives, or a message for the upstream or
/// the client. Dropping the value releases the bytes.
///
/// When the budget is used up, the call that holds the most fails.
pub(super) struct HeldBytes {
    budget: MemoryBudget,
    /// `None` while the call holds little.
    charge: Option<Charge>,
    code: Code,
}

impl HeldBytes {
    /// Holds bytes of a call that has not gone to its upstream. Without memory for them, the call
    /// fails as `unavailable`: clients may make it again.
    pub(super) fn of_request(budget: &MemoryBudget) -> Self {
        Self { budget: budget.clone(), charge: None, code: Code::Unavailable }
    }

    /// Holds bytes of a call that the upstream may have run. Without memory for them, the call
    /// fails as `resource_exhausted`: clients must not repeat it unasked.
    pub(super) fn of_call(budget: &MemoryBudget) -> Self {
        Self { code: Code::ResourceExhausted, ..Self::of_request(budget) }
    }

    /// Sets the number of bytes.
    ///
    /// # Errors
    /// The status of a call for which there is no memory.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), Status> {
        if bytes < MIN_CHARGED {
            self.charge = None;
            return Ok(());
        }
        let charge = self.charge.get_or_insert_with(|| self.budget.charge());
        charge.set(bytes).map_err(|_| self.refusal())
    }

    /// Sets the number of bytes of a task that waits for something else, and wakes the task when
    /// the budget needs them.
    ///
    /// # Errors
    /// The status of a call for which there is no memory.
    pub(super) fn wait_with(&mut self, bytes: usize, cx: &Context<'_>) -> Result<(), Status> {
        self.set(bytes)?;
        match &mut self.charge {
            Some(charge) => {
                charge.wake_by(cx.waker());
                if charge.is_chosen() { Err(self.refusal()) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// Waits for a future with this number of bytes.
    ///
    /// # Errors
    /// The error of the future, or the status of a call for which there is no memory.
    ///
    /// # Cancel safety
    /// That of the future.
    pub(super) async fn wait<T, E: From<Status>>(
        &mut self,
        bytes: usize,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Pending => match self.wait_with(bytes, cx) {
                Ok(()) => Poll::Pending,
                Err(status) => Poll::Ready(Err(status.into())),
            },
            ready @ Poll::Ready(_) => ready,
        })
        .await
    }

    /// Returns the budget and the charge, for bytes that outlive the call.
    pub(super) fn into_charge(self) -> (MemoryBudget, Charge) {
        let charge = self.charge.unwrap_or_else(|| self.budget.charge());
        (self.budget, charge)
    }

    fn refusal(&self) -> Status {
        let message = match self.code {
            Code::Unavailable => "the gateway has no memory for the request; try again later",
            _ => NO_MEMORY,
        };
        Status::new(self.code, message)
    }
}
