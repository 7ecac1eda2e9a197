use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A flag that is set once, and that any number of tasks may wait for.
#[derive(Debug, Default)]
pub(super) struct Flag {
    set: AtomicBool,
    notify: Notify,
}

impl Flag {
    pub(super) fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(super) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Waits until the flag is set.
    pub(super) async fn wait(&self) {
        // Created before the flag is read: from now on, `notify_waiters` reaches it.
        let notified = self.notify.notified();
        if !self.is_set() {
            notified.await;
        }
    }
}
