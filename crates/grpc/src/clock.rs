//! Timers, tasks and random numbers: tokio's and the system's, or the browser's on WebAssembly.

#[cfg(not(target_family = "wasm"))]
#[path = "clock/native.rs"]
mod host;
#[cfg(target_family = "wasm")]
#[path = "clock/browser.rs"]
mod host;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

pub(crate) use host::{
    BoxFuture, Instant, MaybeSend, Sleep, Yield, now, random, sleep, sleep_until, spawn,
};

/// Waits for the future, at most for the timeout. Returns the output of the future, or `None` once
/// the time has passed.
pub(crate) async fn timeout<T>(timeout: Duration, future: impl Future<Output = T>) -> Option<T> {
    before(&mut Some(sleep(timeout)), future).await
}

/// Waits for the future until the deadline, if any. Returns the output of the future, or `None`
/// once the deadline has passed.
pub(crate) async fn before<T>(
    deadline: &mut Option<Sleep>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Some(deadline) = deadline
            && pin!(deadline).poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    /// Keeps the task busy, so that the runtime does not process its timers.
    #[tokio::test]
    async fn a_sleep_is_over_by_the_clock_and_not_by_its_timer() {
        let limit = Duration::from_millis(2);
        let mut sleep = pin!(sleep(limit));
        let mut cx = Context::from_waker(Waker::noop());
        let begin = now();
        assert!(sleep.as_mut().poll(&mut cx).is_pending() || begin.elapsed() >= limit);
        while begin.elapsed() <= limit {}
        assert!(sleep.as_mut().poll(&mut cx).is_ready());
    }
}
