//! Runs the handler of a connection in a task of ours, which knows when the handler waits and when it has ended.
//!
//! ```text
//!  poll ──► handler ──► pending ──► what `send` left is written
//!              │
//!              └──► ready: a connection that the handler did not close is closed,
//!                   with 1000, or with 1011 after an error
//! ```
//!
//! The connection is inside the handler. While the handler is polled, a place of the thread holds what the connection
//! leaves to the task: output to be written, and itself when it is dropped.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::CloseCode;

use crate::WebSocket;
use crate::outcome::Outcome;
use crate::websocket::Shared;

thread_local! {
    /// What belongs to the handler that is being polled.
    static POLLED: Cell<Option<Left>> = const { Cell::new(None) };
}

/// What a connection leaves to the task of its handler.
#[derive(Default)]
struct Left {
    /// The transport to write to, with the output.
    output: Option<Arc<Shared>>,
    /// The connection, which the handler dropped before it was closed.
    connection: Option<Box<WebSocket>>,
}

/// Runs a handler to its end, then closes the connection that it dropped: with 1000 (normal closure), or with 1011 (internal
/// error) when the outcome is an error. The closing handshake takes at most `Config::close_timeout`, and what was sent before
/// it at most `Config::write_timeout` from one byte taken to the next.
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
    if let Some(ws) = left.connection.take() {
        // In a box, so that the task of a connection is not as large for ever as its end.
        Box::pin(close(ws, code)).await;
    }
    if let Some(output) = left.output.take() {
        // The connection went elsewhere with output that is not written.
        poll_fn(|cx| output.poll_write_left(cx)).await;
    }
}

/// Returns the code to close with.
fn end(outcome: impl Outcome) -> CloseCode {
    let code =
        if outcome.is_error() { CloseCode::INTERNAL_ERROR } else { CloseCode::NORMAL_CLOSURE };
    outcome.log();
    code
}

/// Whether the code that runs belongs to a handler whose task is ours.
#[inline]
pub(crate) fn is_polled() -> bool {
    with(|_| ()).is_some()
}

/// Leaves the output of a connection to the task of the handler that is being polled. Returns `false` when there is no such
/// handler, or when it writes for another connection.
#[inline]
pub(crate) fn leave(shared: &Arc<Shared>) -> bool {
    with(|left| Arc::ptr_eq(left.output.get_or_insert_with(|| shared.clone()), shared))
        .unwrap_or(false)
}

/// Leaves a connection to the task of the handler that is being polled. Gives it back when there is no such handler.
pub(crate) fn leave_connection(ws: WebSocket) -> Option<WebSocket> {
    let mut ws = Some(ws);
    with(|left| {
        if left.connection.is_none() {
            left.connection = ws.take().map(Box::new);
        }
    });
    ws
}

#[inline]
fn with<T>(work: impl FnOnce(&mut Left) -> T) -> Option<T> {
    // The place may be gone when the thread ends.
    let mut left = POLLED.try_with(Cell::take).ok()??;
    let done = work(&mut left);
    POLLED.set(Some(left));
    Some(done)
}

/// Polls, with `left` in the place of the thread meanwhile.
fn poll<T>(left: &mut Left, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    /// Puts back what was there, after a panic as well.
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
    /// The handler waits.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(output) = &self.output {
            if output.poll_write_left(cx).is_ready() {
                self.output = None;
            }
        }
        if let Some(ws) = self.connection.take() {
            // The handler goes on without the connection, whose end need not wait for that.
            tokio::spawn(close(ws, CloseCode::NORMAL_CLOSURE));
        }
    }
}

async fn close(mut ws: Box<WebSocket>, code: CloseCode) {
    if let Err(error) = ws.close(code, "").await {
        tracing::debug!(%error, "the connection was not closed in good order");
    }
}
