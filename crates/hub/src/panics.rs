//! Panics of the application's code, which the hub calls while others depend on its tasks.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// Contains panics of hooks and encoders: each is logged as an error, and counted.
///
/// The state of the application may be left half updated, as by any panic of a task. In a program
/// whose panics abort, a panic ends the process.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    count: AtomicU64,
}

impl Panics {
    /// Calls code of the application, which `code` names for the log. Returns `None` if it panics.
    pub(crate) fn contain<T>(&self, code: &'static str, call: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                tracing::error!(code, panic = message(&*panic), "code of the application panicked");
                None
            }
        }
    }

    /// Awaits a future of the application, like [`contain`](Self::contain).
    pub(crate) async fn contain_future<T>(
        &self,
        code: &'static str,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|cx| match self.contain(code, || future.as_mut().poll(cx)) {
            Some(poll) => poll.map(Some),
            None => Poll::Ready(None),
        })
        .await
    }

    /// Returns the number of panics.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Returns the text of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
