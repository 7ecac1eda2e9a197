//! A service for the tests of `sockeye-grpc`, and the test scenarios.
//!
//! [`scenarios`] is independent of the target: native tests and tests in a browser run the same
//! scenarios, against a server of [`service`].

pub mod proto;
pub mod scenarios;
pub mod service;

use std::future::poll_fn;
use std::task::Poll;

/// Yields to the other tasks once.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
