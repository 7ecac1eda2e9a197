//! A service for the tests of `sockeye-grpc`, and what they do with it.
//!
//! [`scenarios`] knows no target: native tests and those in a browser run the same, against a server of [`service`].

pub mod proto;
pub mod scenarios;
pub mod service;

use std::future::poll_fn;
use std::task::Poll;

/// Gives the other tasks a turn.
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
