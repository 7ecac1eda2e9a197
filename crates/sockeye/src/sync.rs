//! Locks, atomics and notifications of the code that `ci/models.sh` checks. With `--cfg loom`,
//! every operation is a point at which loom may switch threads.

#[cfg(loom)]
mod modelled;

#[cfg(loom)]
pub(crate) use modelled::*;
#[cfg(not(loom))]
pub(crate) use {
    std::sync::atomic::{AtomicBool, AtomicUsize},
    std::sync::{Mutex, MutexGuard},
    tokio::sync::{Notify, Semaphore},
};
