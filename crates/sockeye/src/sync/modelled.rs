//! loom's locks and atomics, and tokio's notifications and semaphore with a switching point before
//! each operation. loom treats each of these operations as atomic; tokio's own tests check them
//! with loom.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize};
pub(crate) use loom::sync::{Mutex, MutexGuard};
use tokio::sync::{AcquireError, SemaphorePermit, TryAcquireError};

/// A point at which loom may switch threads. Two points of one object are never reordered.
#[derive(Debug)]
struct Point(AtomicBool);

impl Point {
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn pass(&self) {
        self.0.swap(true, Ordering::SeqCst);
    }

    /// Polls a future, with a point before each poll.
    async fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.pass();
            future.as_mut().poll(cx)
        })
        .await
    }
}

#[derive(Debug)]
pub(crate) struct Semaphore {
    semaphore: tokio::sync::Semaphore,
    point: Point,
}

impl Semaphore {
    pub(crate) fn new(permits: usize) -> Self {
        Self { semaphore: tokio::sync::Semaphore::new(permits), point: Point::new() }
    }

    pub(crate) fn try_acquire_many(
        &self,
        permits: u32,
    ) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.point.pass();
        self.semaphore.try_acquire_many(permits)
    }

    pub(crate) async fn acquire_many(
        &self,
        permits: u32,
    ) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.point.drive(self.semaphore.acquire_many(permits)).await
    }

    pub(crate) fn add_permits(&self, permits: usize) {
        self.point.pass();
        self.semaphore.add_permits(permits);
    }

    pub(crate) fn available_permits(&self) -> usize {
        self.point.pass();
        self.semaphore.available_permits()
    }

    pub(crate) fn close(&self) {
        self.point.pass();
        self.semaphore.close();
    }
}

#[derive(Debug)]
pub(crate) struct Notify {
    notify: tokio::sync::Notify,
    point: Point,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self { notify: tokio::sync::Notify::new(), point: Point::new() }
    }

    pub(crate) fn notified(&self) -> impl Future<Output = ()> + '_ {
        self.point.pass();
        self.point.drive(self.notify.notified())
    }

    pub(crate) fn notify_one(&self) {
        self.point.pass();
        self.notify.notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.point.pass();
        self.notify.notify_waiters();
    }
}

/// Wakes a thread of the model.
struct Unpark(loom::sync::Notify);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls a future in a thread of the model until it is ready. loom reports a lost wake-up as a
/// deadlock.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark(loom::sync::Notify::new()));
    let waker = Waker::from(unpark.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        unpark.0.wait();
    }
}

/// Checks a model in every interleaving with at most `preemptions` switches away from a thread that
/// could continue.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
