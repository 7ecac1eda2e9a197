//! Wakers for the two halves of a connection, such as a stream and a sink or a reader and a writer,
//! which two tasks may use.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use sockeye_proto::State;

use super::Driver;
use super::closing::EndingStep;

/// The half of a connection that a task polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Read,
    Write,
}

/// The wakers of the tasks that poll the halves of a connection.
///
/// A transport and a timer wake one task for each direction, but each half drives both directions:
/// a read writes the output first, and closing the writing half reads. While both halves wait, the
/// transport and the timers are therefore given one waker that wakes both tasks. Each task then
/// polls again, and a task that has stopped waiting does not keep the other task from being woken.
#[derive(Debug, Default)]
pub(crate) struct HalfWakers {
    read: HalfWaker,
    write: HalfWaker,
    shared: Option<Arc<SharedWaker>>,
}

#[derive(Debug, Default)]
struct HalfWaker {
    /// The waker of the last pending poll. Kept after the wait, since the next waker is usually the
    /// same.
    waker: Option<Waker>,
    /// `true` if the last poll was pending.
    waits: bool,
}

/// A snapshot of the parts of a connection whose changes both halves wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgressSnapshot {
    unwritten: usize,
    state: State,
    step: EndingStep,
}

impl Driver {
    /// Polls one half with `work`. Ensures that the task of the other half, if it waits, is still
    /// woken for the progress that it waits for.
    #[inline]
    pub(crate) fn poll_half<T>(
        &mut self,
        half: Half,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let before = self.progress();
        let polled = match self.shared_waker(half, cx) {
            None => work(self, cx),
            Some(waker) => work(self, &mut Context::from_waker(&waker)),
        };
        self.on_half_polled(half, cx, polled.is_pending(), before);
        polled
    }

    /// Returns the waker to poll a half with if another task waits for the other half: the waker
    /// wakes both tasks. Returns `None` if the waker of `cx` suffices. The caller must call
    /// [`on_half_polled`](Self::on_half_polled) after the poll.
    #[inline]
    pub(crate) fn shared_waker(&mut self, half: Half, cx: &Context<'_>) -> Option<Waker> {
        self.halves.as_mut()?.shared(half, cx)
    }

    /// Records whether the poll of a half is pending, and wakes the task of the other half if that
    /// task waits for progress that the poll made.
    #[inline]
    pub(crate) fn on_half_polled(
        &mut self,
        half: Half,
        cx: &Context<'_>,
        pending: bool,
        before: ProgressSnapshot,
    ) {
        if pending || self.halves.is_some() {
            self.halves.get_or_insert_default().record(half, cx, pending);
        }
        let after = self.progress();
        let ends = after.state != before.state || after.step != before.step;
        // The transport promises a wake-up for a pending write. If this half has since written the
        // output of the other half, the transport no longer owes that wake-up.
        let writes = after.unwritten < before.unwritten;
        if ends || writes && (half == Half::Read || after.step != EndingStep::Open) {
            self.wake_other_half(half, cx);
        }
    }

    /// Wakes the task of the half opposite to `half`, if that task waits and is not the task of
    /// `cx`.
    pub(crate) fn wake_other_half(&self, half: Half, cx: &Context<'_>) {
        if let Some(halves) = &self.halves {
            halves.wake_other(half, cx);
        }
    }

    pub(crate) fn progress(&self) -> ProgressSnapshot {
        ProgressSnapshot {
            unwritten: self.output.len(),
            state: self.connection.state(),
            step: self.ending.step(),
        }
    }
}

impl HalfWakers {
    #[inline]
    fn shared(&mut self, half: Half, cx: &Context<'_>) -> Option<Waker> {
        let other = self.get(half.other());
        if !other.waits || other.waker.as_ref().is_none_or(|waker| waker.will_wake(cx.waker())) {
            return None;
        }
        Some(self.share(half, cx))
    }

    #[cold]
    fn share(&mut self, half: Half, cx: &Context<'_>) -> Waker {
        let other = self.get(half.other()).waker.clone();
        let shared = self.shared.get_or_insert_with(Arc::default);
        let mut wakers = shared.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers[half as usize] = Some(cx.waker().clone());
        wakers[half.other() as usize] = other;
        drop(wakers);
        shared.clone().into()
    }

    fn record(&mut self, half: Half, cx: &Context<'_>, pending: bool) {
        let polled = self.get_mut(half);
        polled.waits = pending;
        if pending {
            match &mut polled.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }

    fn wake_other(&self, half: Half, cx: &Context<'_>) {
        let other = self.get(half.other());
        if let (true, Some(waker)) = (other.waits, &other.waker) {
            if !waker.will_wake(cx.waker()) {
                waker.wake_by_ref();
            }
        }
    }

    const fn get(&self, half: Half) -> &HalfWaker {
        match half {
            Half::Read => &self.read,
            Half::Write => &self.write,
        }
    }

    const fn get_mut(&mut self, half: Half) -> &mut HalfWaker {
        match half {
            Half::Read => &mut self.read,
            Half::Write => &mut self.write,
        }
    }
}

impl Half {
    const fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
}

/// A waker that wakes the tasks of both halves.
#[derive(Debug, Default)]
struct SharedWaker {
    /// Indexed by [`Half`].
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Wake for SharedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The next poll of either half adds the wakers of the waiting tasks again.
        let wakers = mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
