use std::mem;
use std::task::Waker;

/// A task that waits for a step of the state. A step wakes the task at most once, after the lock
/// is released.
#[derive(Debug, Default)]
pub(super) struct WaitingTask {
    waker: Option<Waker>,
    /// `true` if this step wakes the task.
    woken: bool,
}

impl WaitingTask {
    /// Records that the task waits.
    pub(super) fn wait(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Records that the task waits no longer.
    pub(super) fn forget(&mut self) {
        self.waker = None;
    }

    /// Wakes the task at the end of the step, if the task waits.
    pub(super) const fn wake(&mut self) {
        self.woken = true;
    }

    /// Returns the waker of the task, if the step wakes it.
    pub(super) fn take_woken(&mut self) -> Option<Waker> {
        if mem::take(&mut self.woken) { self.waker.take() } else { None }
    }
}
