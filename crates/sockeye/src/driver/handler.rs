//! Runs a connection's handler in a task of this crate, which detects when the handler waits and
//! when it ends.
//!
//! ```text
//!  poll ──► handler ──► pending ──► output left by `send` is written
//!              │
//!              └──► ready: a connection that the handler did not close is closed,
//!                   with 1000, or with 1011 after an error
//! ```
//!
//! The connection is inside the handler. While the handler is polled, a thread-local holds the work
//! that the connection leaves to the task: output to be written, and the connection itself when the
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
    static POLLED: Cell<Option<Left>> = const { Cell::new(None) };
}

/// The work that a connection leaves to the task of its handler.
#[derive(Default)]
struct Left {
    /// The shared transport with unwritten output.
    output: Option<Arc<Shared>>,
    /// The connection, dropped by the handler before it was closed.
    connection: Option<Box<Driver>>,
}

/// Runs a handler to its end, then closes the connection that the handler dropped: with 1000
/// (normal closure), or with 1011 (internal error) when the outcome is an error. The closing
/// handshake takes at most `Config::close_timeout`, and writing the output before it at most
/// `Config::write_timeout` between two accepted bytes.
pub(crate) async fn run<F: Future<Output: Outcome>>(handler: F) {
    let mut left = Left::default();
    let code = {
        let mut handler = pin!(handler);
        poll_fn(|cx| {
            let polled = poll(&mut left, || handler.as_mut().poll(cx));
            if polled.is_pending() {
                left.poll(cx);
            }
            polled.map(end)
        })
        .await
    };
    if let Some(driver) = left.connection.take() {
        // Boxed, so that the task of a connection does not keep the size of the closing future.
        Box::pin(close(driver, code)).await;
    }
    if let Some(output) = left.output.take() {
        // The handler has moved the connection elsewhere, and left unwritten output.
        poll_fn(|cx| output.poll_write_left(cx)).await;
    }
}

/// Logs the outcome and returns the code to close with.
fn end(outcome: impl Outcome) -> CloseCode {
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

/// Leaves the output of a connection to the task of the handler that is being polled. Returns
/// `false` when there is no such handler, or when its task writes the output of another connection.
#[inline]
pub(super) fn leave(shared: &Arc<Shared>) -> bool {
    with(|left| Arc::ptr_eq(left.output.get_or_insert_with(|| shared.clone()), shared))
        .unwrap_or(false)
}

/// Leaves a connection to the task of the handler that is being polled. Returns the connection when
/// there is no such handler.
pub(super) fn leave_connection(driver: Driver) -> Option<Driver> {
    let mut driver = Some(driver);
    with(|left| {
        if left.connection.is_none() {
            left.connection = driver.take().map(Box::new);
        }
    });
    driver
}

#[inline]
fn with<T>(work: impl FnOnce(&mut Left) -> T) -> Option<T> {
    // The thread-local may be destroyed when the thread ends.
    let mut left = POLLED.try_with(Cell::take).ok()??;
    let done = work(&mut left);
    POLLED.set(Some(left));
    Some(done)
}

/// Polls with `left` in the thread-local.
fn poll<T>(left: &mut Left, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    /// Restores the previous value, also after a panic.
    struct Guard<'a> {
        left: &'a mut Left,
        before: Option<Left>,
    }

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if let Some(left) = POLLED.replace(self.before.take()) {
                *self.left = left;
            }
        }
    }

    let before = POLLED.replace(Some(mem::take(left)));
    let _guard = Guard { left, before };
    poll()
}

impl Left {
    /// Does the work that the waiting handler has left.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(output) = &self.output {
            if output.poll_write_left(cx).is_ready() {
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
