//! The run of one command: within its deadline, cancellable, its panics contained.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{self, Poll, Waker};
use std::time::Duration;

use tokio::time::sleep_until;

use super::layer::Route;
use super::writer::BoxFuture;
use super::{Context, Failure, FailureCode, Reply, Request};
use crate::panics;

/// A command whose endpoint waits for something.
pub(super) struct Running {
    endpoint: BoxFuture<'static, Reply>,
    context: Context,
}

/// Starts a command. Many endpoints do not wait for anything: they are done without a task.
pub(super) fn start(route: &Route, request: Request) -> Result<Reply, Running> {
    let context = request.context().clone();
    // Both may have happened while the command waited for those before it.
    if context.cancellation().is_set() {
        return Ok(cancelled());
    }
    if context.remaining() == Some(Duration::ZERO) {
        return Ok(deadline_exceeded(&context));
    }
    let started = contain(|| {
        let mut endpoint = route.serve(request);
        // The task that continues polls again, with a waker of its own.
        match endpoint.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
            Poll::Ready(reply) => Ok(reply),
            Poll::Pending => Err(endpoint),
        }
    });
    match started {
        Ok(Ok(reply)) | Err(reply) => Ok(reply),
        Ok(Err(endpoint)) => Err(Running { endpoint, context }),
    }
}

impl Running {
    /// Continues to the end: the endpoint's reply, or the cancellation.
    pub(super) async fn finish(self) -> Reply {
        let Self { mut endpoint, context } = self;
        let mut cancellation = pin!(context.cancellation().wait());
        let mut deadline = pin!(async {
            match context.tokio_deadline() {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        });
        let reply = poll_fn(|cx| {
            match contain(|| endpoint.as_mut().poll(cx)) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(reply)) | Err(reply) => return Poll::Ready(reply),
            }
            if cancellation.as_mut().poll(cx).is_ready() {
                return Poll::Ready(cancelled());
            }
            deadline.as_mut().poll(cx).map(|()| deadline_exceeded(&context))
        })
        .await;
        match contain(|| drop(endpoint)) {
            Ok(()) => reply,
            Err(panicked) => panicked,
        }
    }
}

fn cancelled() -> Reply {
    Reply::Failure(Failure::new(FailureCode::CANCELLED, "cancelled"))
}

fn deadline_exceeded(context: &Context) -> Reply {
    // The tasks that the endpoint has spawned watch the same flag.
    context.cancellation().set();
    Reply::Failure(Failure::new(FailureCode::DEADLINE_EXCEEDED, "the deadline has passed"))
}

/// Calls code of the application, and turns its panic into a reply. The state of the application
/// may be left half updated, as by any panic of a task.
fn contain<T>(call: impl FnOnce() -> T) -> Result<T, Reply> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let error = format!("the endpoint panicked: {}", panics::message(&*panic));
        Reply::Failure(Failure::internal(error))
    })
}
