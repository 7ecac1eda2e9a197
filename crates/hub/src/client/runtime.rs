//! Tasks and timers: tokio's, or the browser's on WebAssembly.

#[cfg(not(target_family = "wasm"))]
#[path = "runtime/native.rs"]
mod host;
#[cfg(target_family = "wasm")]
#[path = "runtime/browser.rs"]
mod host;

use std::time::Duration;

pub(super) use host::{
    AbortHandle, BoxFuture, MaybeSend, MaybeSync, SharedFn, Tasks, sleep, spawn,
};

/// Waits for the future, at most for the timeout. Returns `None` once the time has passed.
pub(super) async fn timeout<T>(timeout: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = sleep(timeout) => None,
    }
}
