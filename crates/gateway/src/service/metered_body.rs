//! The body of a request as it arrives: counted, and bounded in time.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::body::{BoxError, RequestBody};
use super::scope::Counters;

/// A request body whose bytes are counted. A malformed body of HTTP/1.1 fails as `invalid_argument`.
pub(super) struct MeteredBody {
    inner: RequestBody,
    counters: Arc<Counters>,
}

impl MeteredBody {
    pub(super) fn boxed(inner: RequestBody, counters: Arc<Counters>) -> RequestBody {
        Box::pin(Self { inner, counters })
    }
}

impl http_body::Body for MeteredBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.counters.count_request_bytes(data.len());
        }
        polled.map_err(explained)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Returns the error of a body as a status, if the client has broken the framing of its body.
fn explained(error: BoxError) -> BoxError {
    let message = framing_error(&*error)
        .map(|reason| format!("the body of the request is malformed: {reason}"));
    message.map_or(error, |message| tonic::Status::invalid_argument(message).into())
}

/// Finds the reason why chunks cannot be read. hyper reports it as an error of I/O, of a kind that
/// sockets do not have.
fn framing_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let reason = error.downcast_ref::<io::Error>().filter(|error| {
            matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        });
        if reason.is_some() {
            return reason;
        }
        next = error.source();
    }
    None
}

/// A request body that must arrive within a time. Afterwards, it fails as `deadline_exceeded`.
pub(super) struct TimedBody {
    inner: RequestBody,
    timeout: Duration,
    /// Begins with the first wait: a body that has arrived with its head needs no timer.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl TimedBody {
    pub(super) fn boxed(inner: RequestBody, timeout: Duration) -> RequestBody {
        Box::pin(Self { inner, timeout, sleep: None })
    }
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = this.inner.as_mut().poll_frame(cx);
        if polled.is_ready() {
            return polled;
        }
        let timeout = this.timeout;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let status = tonic::Status::deadline_exceeded("the request did not arrive in time");
        Poll::Ready(Some(Err(status.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
