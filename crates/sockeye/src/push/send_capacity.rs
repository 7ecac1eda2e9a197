//! The send capacity of a connection, for the prepared messages of its handles.

#[cfg(all(test, loom))]
mod models;

use std::sync::atomic::Ordering;

use crate::sync::{AtomicBool, AtomicUsize, Notify};

/// Returns an upper bound of the size on the wire of a message with a payload of `length` bytes:
/// with its header, of 10 bytes at most, and what compression adds to a payload that it cannot
/// shrink, which is 9 bits for a byte at most.
#[inline]
pub(super) const fn wire_bound(length: usize) -> usize {
    length + length / 8 + 16
}

/// The [bounds of the sizes](wire_bound) of the prepared messages of a connection's handles, as
/// sums that wrap around: the difference of the first and the last is what is not known to be
/// written.
#[derive(Debug)]
pub(super) struct SendCapacity {
    /// Posted to the worker.
    posted: AtomicUsize,
    /// Executed by the worker.
    executed: AtomicUsize,
    /// Executed when the worker had last written all output.
    written: AtomicUsize,
    /// Set by a task that is about to wait, and reset by the worker, which then notifies the tasks.
    /// Accessed by read-modify-write operations only: either the worker sees the flag, or the task
    /// sees what the worker has written.
    awaited: AtomicBool,
    /// Notifies the tasks that wait.
    notify: Notify,
}

impl SendCapacity {
    pub(super) fn new() -> Self {
        Self {
            posted: AtomicUsize::new(0),
            executed: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            notify: Notify::new(),
        }
    }

    /// Counts a message as posted.
    pub(super) fn reserve(&self, length: usize) {
        self.posted.fetch_add(length, Ordering::AcqRel);
    }

    /// Counts a message as posted, unless more than `max` bytes would then be unwritten. One
    /// message is taken whatever its length. Returns whether it is counted.
    #[inline]
    pub(super) fn try_reserve(&self, length: usize, max: usize) -> bool {
        let posted = self.posted.fetch_add(length, Ordering::AcqRel);
        let unwritten = posted.wrapping_sub(self.written.load(Ordering::Acquire));
        let fits = fits(unwritten, length, max);
        if !fits {
            self.cancel(length);
        }
        fits
    }

    /// Takes back the count of a message that was not posted.
    pub(super) fn cancel(&self, length: usize) {
        self.posted.fetch_sub(length, Ordering::AcqRel);
    }

    /// Returns the bytes that are not known to be written.
    pub(super) fn unwritten(&self) -> usize {
        let written = self.written.load(Ordering::Acquire);
        self.posted.load(Ordering::Acquire).wrapping_sub(written)
    }

    /// Returns whether [`try_reserve`](Self::try_reserve) would take a message.
    pub(super) fn has_capacity(&self, length: usize, max: usize) -> bool {
        fits(self.unwritten(), length, max)
    }

    /// Records that the worker has executed commands of `length` bytes.
    pub(super) fn on_executed(&self, length: usize) {
        // Only the worker changes the sum.
        let executed = self.executed.load(Ordering::Relaxed).wrapping_add(length);
        self.executed.store(executed, Ordering::Relaxed);
    }

    /// Records that the worker has written all output, and notifies the tasks that wait.
    #[inline]
    pub(super) fn on_all_written(&self) {
        self.written.store(self.executed.load(Ordering::Relaxed), Ordering::Release);
        if self.awaited.swap(false, Ordering::AcqRel) {
            self.notify_waiters();
        }
    }

    /// Notifies the tasks that wait: there may be capacity, or the connection is over.
    #[cold]
    pub(super) fn notify_waiters(&self) {
        self.notify.notify_waiters();
    }

    /// Waits until `is_ready`, which is evaluated at first and after each notification.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on others that wait.
    pub(super) async fn wait_until(&self, is_ready: impl Fn() -> bool) {
        loop {
            // The future is notified from its creation on.
            let notified = self.notify.notified();
            self.awaited.swap(true, Ordering::AcqRel);
            if is_ready() {
                return;
            }
            notified.await;
        }
    }
}

const fn fits(unwritten: usize, length: usize, max: usize) -> bool {
    unwritten == 0 || unwritten.saturating_add(length) <= max
}
