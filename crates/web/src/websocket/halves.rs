use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Which half of a connection a task uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Receive,
    /// Closes, and waits for the end.
    Close,
}

/// The tasks that wait for the end of a connection or its next message: one for each half.
///
/// Sockets and timers know one task to wake. They are given one waker for both, so that neither half takes the other's place,
/// and none that gives up takes the other's wake-up with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Halves {
    /// By [`Half`].
    wakers: Arc<Both>,
}

#[derive(Debug, Default)]
struct Both {
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Both {
    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        // There is one thread; a lock is what a waker must have.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> [Option<Waker>; 2] {
        std::mem::take(&mut *self.lock())
    }
}

impl Halves {
    /// Takes note of a task that waits, and returns what is to be woken.
    pub(super) fn wait(&self, half: Half, cx: &Context<'_>) -> Waker {
        match &mut self.wakers.lock()[half as usize] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Arc::clone(&self.wakers).into()
    }

    /// Wakes all who wait: the state of the connection has changed.
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

    /// Forgets a task that does not wait any more, and wakes the other's.
    pub(super) fn end_wait(&self, half: Half) {
        let [receive, close] = self.wakers.take();
        let other = if half == Half::Receive { close } else { receive };
        other.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        // Each that goes on waiting puts its own back.
        self.take().into_iter().flatten().for_each(Waker::wake);
    }
}
