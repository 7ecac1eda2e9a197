use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// The half of a connection that a task uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Receive,
    /// The half that closes, and waits for the end.
    Close,
}

/// The tasks that wait for the next message or the end of a connection, one for each half.
///
/// Sockets and timers store one waker. They are given a waker that wakes both halves, so that
/// neither half replaces the other's waker, and a half that stops waiting does not lose the other's
/// wake-up.
#[derive(Clone, Debug, Default)]
pub(super) struct Halves {
    /// The wakers, indexed by [`Half`].
    wakers: Arc<BothWakers>,
}

#[derive(Debug, Default)]
struct BothWakers {
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl BothWakers {
    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        // There is only one thread; the lock is required because a waker must be `Send + Sync`.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> [Option<Waker>; 2] {
        std::mem::take(&mut *self.lock())
    }
}

impl Halves {
    /// Registers a waiting task, and returns the waker for the socket and timers.
    pub(super) fn wait(&self, half: Half, cx: &Context<'_>) -> Waker {
        match &mut self.wakers.lock()[half as usize] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Arc::clone(&self.wakers).into()
    }

    /// Wakes all waiting tasks: the state of the connection has changed.
    pub(super) fn wake(&self) {
        self.wakers.take().into_iter().flatten().for_each(Waker::wake);
    }

    /// Wakes the task of one half.
    pub(super) fn wake_half(&self, half: Half) {
        let waker = self.wakers.lock()[half as usize].take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Removes the task of this half, which no longer waits, and wakes the other half's.
    pub(super) fn end_wait(&self, half: Half) {
        let [receive, close] = self.wakers.take();
        let other = if half == Half::Receive { close } else { receive };
        other.into_iter().for_each(Waker::wake);
    }
}

impl Wake for BothWakers {
    fn wake(self: Arc<Self>) {
        // Each task that continues to wait registers its waker again.
        self.take().into_iter().flatten().for_each(Waker::wake);
    }
}
