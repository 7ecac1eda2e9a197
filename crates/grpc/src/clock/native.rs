//! tokio's timers and tasks, and the system's random numbers.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub(crate) use tokio::time::Instant;

/// The bound for values that a task may hold. Here it is `Send`, as tokio moves tasks between
/// threads.
pub(crate) use std::marker::Send as MaybeSend;

/// A timer that is ready once its deadline has passed, even if the runtime has not yet processed
/// its timers.
#[derive(Debug)]
pub(crate) struct Sleep {
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.deadline() <= Instant::now() {
            return Poll::Ready(());
        }
        self.timer.as_mut().poll(cx)
    }
}

pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep { timer: Box::pin(tokio::time::sleep(duration)) }
}

pub(crate) fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { timer: Box::pin(tokio::time::sleep_until(deadline)) }
}

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Returns random bits, or zeros if the system provides none. The bits spread connection attempts
/// over time; no security depends on them.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A boxed future that a task may hold.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A yield to the other tasks of the runtime. Completes, and wakes the task, once the runtime has
/// polled all tasks that were ready. Until then the task may be polled any number of times.
#[derive(Debug)]
pub(crate) struct Yield {
    state: Arc<YieldState>,
}

#[derive(Debug)]
struct YieldState {
    is_done: AtomicBool,
    task: Mutex<Waker>,
}

impl Yield {
    pub(crate) fn begin(cx: &mut Context<'_>) -> Self {
        let task = Mutex::new(cx.waker().clone());
        let state = Arc::new(YieldState { is_done: AtomicBool::new(false), task });
        // `yield_now` makes the runtime wake `state`, not the task, once the ready tasks are
        // polled. The future of `yield_now` has registered that waker and is no longer needed.
        let waker = Waker::from(Arc::clone(&state));
        let _pending = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        Self { state }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.state.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
        if self.state.is_done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Wake for YieldState {
    fn wake(self: Arc<Self>) {
        self.is_done.store(true, Ordering::Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}
