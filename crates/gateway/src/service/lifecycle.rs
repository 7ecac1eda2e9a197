//! The calls in progress of a gateway, over all of its settings, and their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

/// The number of calls in progress, and whether new ones are refused.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    calls: AtomicUsize,
    is_draining: watch::Sender<bool>,
    /// Notified when the last call ends while the gateway drains.
    idle: Notify,
}

/// A call in progress, until it is dropped.
#[derive(Debug)]
pub(super) struct InProgress(Arc<Lifecycle>);

impl Lifecycle {
    /// Counts a call. `None` if the gateway drains.
    pub(super) fn begin(self: &Arc<Self>) -> Option<InProgress> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        // The count comes first, so that `drain` does not miss a call that passed the check.
        let call = InProgress(Arc::clone(self));
        if self.is_draining() { None } else { Some(call) }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.is_draining.borrow()
    }

    /// Waits until the gateway drains.
    pub(super) async fn draining(&self) {
        let mut draining = self.is_draining.subscribe();
        // The sender is in `self`.
        let _ = draining.wait_for(|is_draining| *is_draining).await;
    }

    /// Refuses new calls, and waits until all others have ended.
    pub(super) async fn drain(&self) {
        self.is_draining.send_replace(true);
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            // Registered before the count is read, so that no notification is missed.
            idle.as_mut().enable();
            if self.calls() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_draining() {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_ends_with_the_last_call() {
        let lifecycle = Arc::<Lifecycle>::default();
        let call = lifecycle.begin().unwrap();
        let draining = tokio::spawn({
            let lifecycle = Arc::clone(&lifecycle);
            async move { lifecycle.drain().await }
        });
        let mut is_draining = lifecycle.is_draining.subscribe();
        is_draining.wait_for(|draining| *draining).await.unwrap();
        assert!(lifecycle.begin().is_none());
        assert_eq!(lifecycle.calls(), 1);
        drop(call);
        draining.await.unwrap();
        // A second one has nothing to wait for.
        lifecycle.drain().await;
    }
}
