//! tokio's clock and tasks.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub(crate) use tokio::time::Instant;

/// What a task may hold: here, what may pass from one thread to another.
pub(crate) use std::marker::Send as MaybeSend;

/// Ready when its time has passed, whether the runtime has come to look at its timers or not.
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

/// Random bits, or zeros if the system has none to give: they spread attempts and protect nothing.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A future of any kind that a task may hold.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A turn that a task gives to the others. It is over, and the task woken, when the runtime has come round to all tasks that
/// were ready: until then the task may be asked as often as it likes.
#[derive(Debug)]
pub(crate) struct Recess {
    round: Arc<Round>,
}

#[derive(Debug)]
struct Round {
    is_over: AtomicBool,
    task: Mutex<Waker>,
}

impl Recess {
    pub(crate) fn begin(cx: &mut Context<'_>) -> Self {
        let task = Mutex::new(cx.waker().clone());
        let round = Arc::new(Round { is_over: AtomicBool::new(false), task });
        // It has the runtime wake the round, not the task, at the end of the turn. It is pending now, and is not needed any more.
        let waker = Waker::from(Arc::clone(&round));
        let _pending = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        Self { round }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.round.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
        if self.round.is_over.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Wake for Round {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}
