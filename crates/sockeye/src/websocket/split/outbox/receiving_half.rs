use std::task::{Poll, Waker};

use super::BoxedReadingHalf;
use super::waiting_task::WaitingTask;
use crate::error::Error;

/// The part of the receiving half's state that concerns the writer.
#[derive(Default)]
pub(super) struct ReceivingHalf {
    /// The task of the receiving half, while it waits for the writer.
    pub(super) task: WaitingTask,
    /// The error of the writer, until the receiving half has taken it.
    failure: Option<Error>,
    /// The reading half of the transport, once the receiving half was dropped.
    pub(super) reading_half: Option<BoxedReadingHalf>,
}

impl ReceivingHalf {
    /// Records the error of the writer, if any, and wakes the receiving half.
    pub(super) fn on_end(&mut self, error: Option<Error>) {
        self.failure = error;
        self.task.wake();
    }

    /// Takes the error of the writer, or else waits.
    pub(super) fn poll_failure(&mut self, waker: &Waker) -> Poll<Error> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(error);
        }
        self.task.wait(waker);
        Poll::Pending
    }

    /// Takes the error of the writer if the error is a timeout.
    pub(super) fn take_timeout(&mut self) -> Option<Error> {
        self.failure.take_if(|failure| matches!(failure, Error::TimedOut(_)))
    }

    pub(super) const fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }
}
