use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Which half of a stream a task uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Read,
    Write,
}

/// Who waits for the halves of a stream, which two tasks may use (`tokio::io::split`).
///
/// A transport knows one task to wake for each direction, and either half moves both: a read writes what is unwritten first.
/// Where two tasks wait, the transport is therefore given one waker that wakes both. Whoever of them goes on waiting tries
/// again; whoever has given up does not keep the other from being woken.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    read: Waiting,
    write: Waiting,
    both: Option<Arc<Both>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The last that waited; kept, since it is mostly the same.
    waker: Option<Waker>,
    waits: bool,
}

impl Tasks {
    /// What the transport is to wake, where that is not only the task of `cx`.
    #[inline]
    pub(super) fn shared(&mut self, half: Half, cx: &Context<'_>) -> Option<Waker> {
        let other = self.get(half.other());
        if !other.waits || other.waker.as_ref().is_none_or(|waker| waker.will_wake(cx.waker())) {
            return None;
        }
        Some(self.share(half, cx))
    }

    #[cold]
    fn share(&mut self, half: Half, cx: &Context<'_>) -> Waker {
        let other = self.get(half.other()).waker.clone();
        let both = self.both.get_or_insert_with(Arc::default);
        let mut wakers = both.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers[half as usize] = Some(cx.waker().clone());
        wakers[half.other() as usize] = other;
        drop(wakers);
        both.clone().into()
    }

    /// Takes note of what became of a call.
    #[inline]
    pub(super) fn note<T>(&mut self, half: Half, cx: &Context<'_>, polled: &Poll<T>) {
        let waiting = self.get(half);
        waiting.waits = polled.is_pending();
        if waiting.waits {
            match &mut waiting.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }

    /// Wakes whoever waits for the other half than `half`, unless that is the task of `cx`.
    pub(super) fn wake_other(&mut self, half: Half, cx: &Context<'_>) {
        let other = self.get(half.other());
        if let (true, Some(waker)) = (other.waits, &other.waker) {
            if !waker.will_wake(cx.waker()) {
                waker.wake_by_ref();
            }
        }
    }

    fn get(&mut self, half: Half) -> &mut Waiting {
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

/// The tasks of both halves, as one waker.
#[derive(Debug, Default)]
struct Both {
    /// By [`Half`].
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Each half that goes on waiting puts its own back.
        let wakers =
            std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
