//! Slots, of which a reload changes the number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The slots of the connections or processes of a server. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    limit: Arc<AtomicUsize>,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(limit)), limit: Arc::new(AtomicUsize::new(limit)) }
    }

    /// Changes the number of slots. Those above a lower limit stay until they are returned, and
    /// none is taken before. Must be called within a Tokio runtime.
    pub(crate) fn change_limit(&self, limit: usize) {
        let old = self.limit.swap(limit, Ordering::Relaxed);
        self.free.add_permits(limit.saturating_sub(old));
        // The limits of flags are numbers of 32 bits.
        let Ok(fewer @ 1..) = u32::try_from(old.saturating_sub(limit)) else { return };
        let free = Arc::clone(&self.free);
        tokio::spawn(async move {
            if let Ok(permits) = free.acquire_many_owned(fewer).await {
                permits.forget();
            }
        });
    }

    pub(crate) fn are_taken(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// Takes a slot; `None` while all are taken.
    pub(crate) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Waits for a free slot and takes it. Cancel safe.
    pub(crate) async fn take(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_owned().await
    }

    /// Waits until no slot is taken. None must be taken meanwhile. Cancel safe.
    pub(crate) async fn wait_until_free(&self) {
        if let Ok(limit) = u32::try_from(self.limit.load(Ordering::Relaxed)) {
            let _ = self.free.acquire_many(limit).await;
        }
    }
}
