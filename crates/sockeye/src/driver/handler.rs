//! Runs a connection's handler in a task of this crate, which detects when the handler waits and
//! when it ends.
//!
//! ```text
//!  poll ──► handler ──► pending ──► output deferred by `send` is written
//!              │
//!              └──► ready: a connection that the handler did not close is closed,
//!                   with 1000, or with 1011 after an error
//! ```
//!
//! The connection is inside the handler. While the handler is polled, a thread-local holds the work
//! that the connection defers to the task: output to be written, and the connection itself when the
//! handler drops it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::CloseCode;

use super::Driver;
use crate::close_payload::ClosePayload;
use crate::outcome::Outcome;
use crate::transport::Shared;

thread_local! {
    /// The state of the handler that is being polled.
    static POLLED: Cell<Option<DeferredWork>> = const { Cell::new(None) };
}

/// The work that a connection defers to the task of its handler.
#[derive(Default)]
struct DeferredWork {
    /// The shared transport with deferred output.
    output: Option<Arc<Shared>>,
    /// The connection, dropped by the handler before it was closed.
    connection: Option<Box<Driver>>,
}

/// Runs a handler to its end, then closes the connection that the handler dropped: with 1000
/// (normal closure), or with 1011 (internal error) when the outcome is an error. The closing
/// handshake takes at most `Config::close_timeout`, and writing the output before it at most
/// `Config::write_timeout` between two accepted bytes.
pub(crate) async fn run<F: Future<Output: Outcome>>(handler: F) {
    let mut deferred = DeferredWork::default();
    let code = {
        let mut handler = pin!(handler);
        poll_fn(|cx| {
            let polled = poll(&mut deferred, || handler.as_mut().poll(cx));
            if polled.is_pending() {
                deferred.poll(cx);
            }
            polled.map(close_code_of)
        })
        .await
    };
    if let Some(driver) = deferred.connection.take() {
        // Boxed, so that the task of a connection does not keep the size of the closing future.
        Box::pin(close(driver, code)).await;
    }
    if let Some(output) = deferred.output.take() {
        // The handler has moved the connection elsewhere while deferred output was unwritten.
        poll_fn(|cx| output.poll_write_deferred(cx)).await;
    }
}

/// Logs the outcome and returns the code to close with.
fn close_code_of(outcome: impl Outcome) -> CloseCode {
    let code =
        if outcome.is_error() { CloseCode::INTERNAL_ERROR } else { CloseCode::NORMAL_CLOSURE };
    outcome.log();
    code
}

/// Returns whether the current code runs in a handler that this module polls.
#[inline]
pub(super) fn is_polled() -> bool {
    with(|_| ()).is_some()
}

/// Makes the task of the handler that is being polled write the output deferred in `shared`.
/// Returns `false` when there is no such handler, or when its task writes the output of another
/// connection.
#[inline]
pub(super) fn defer_output(shared: &Arc<Shared>) -> bool {
    with(|deferred| Arc::ptr_eq(deferred.output.get_or_insert_with(|| shared.clone()), shared))
        .unwrap_or(false)
}

/// Makes the task of the handler that is being polled close a dropped connection. Returns the
/// connection when there is no such handler.
pub(super) fn defer_close(driver: Driver) -> Option<Driver> {
    let mut driver = Some(driver);
    with(|deferred| {
        if deferred.connection.is_none() {
            deferred.connection = driver.take().map(Box::new);
        }
    });
    driver
}

#[inline]
fn with<T>(work: impl FnOnce(&mut DeferredWork) -> T) -> Option<T> {
    // The thread-local may be destroyed when the thread ends.
    let mut deferred = POLLED.try_with(Cell::take).ok()??;
    let result = work(&mut deferred);
    POLLED.set(Some(deferred));
    Some(result)
}

/// Polls with `deferred` in the thread-local.
fn poll<T>(deferred: &mut DeferredWork, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    /// Restores the previous value, also after a panic.
    struct Guard<'a> {
        deferred: &'a mut DeferredWork,
        before: Option<DeferredWork>,
    }

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if let Some(deferred) = POLLED.replace(self.before.take()) {
                *self.deferred = deferred;
            }
        }
    }

    let before = POLLED.replace(Some(mem::take(deferred)));
    let _guard = Guard { deferred, before };
    poll()
}

impl DeferredWork {
    /// Does the deferred work while the handler waits.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(output) = &self.output {
            if output.poll_write_deferred(cx).is_ready() {
                self.output = None;
            }
        }
        if let Some(driver) = self.connection.take() {
            // The handler continues without the connection, which is closed in the meantime.
            tokio::spawn(close(driver, CloseCode::NORMAL_CLOSURE));
        }
    }
}

async fn close(mut driver: Box<Driver>, code: CloseCode) {
    if let Err(error) = driver.close(ClosePayload(Some(code.into()))).await {
        tracing::debug!(%error, "closing the connection failed");
    }
}
