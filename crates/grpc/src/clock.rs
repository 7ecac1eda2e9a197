//! Time and tasks, of tokio or of the browser.

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

pub(crate) use host::{BoxFuture, Instant, MaybeSend, Sleep, now, random, sleep, spawn};

/// What the future gives, or `None` when the time has passed.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    before(&mut Some(sleep(limit)), future).await
}

/// What the future gives, or `None` when the deadline, if any, has passed.
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
