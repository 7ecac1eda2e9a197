//! The bodies of a call, which tie request and response together, and both to the deadline.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tonic::Status;

use crate::clock::Sleep;
use crate::http2::Incoming;
use crate::status;

/// The body of a request, which ends with a reset as soon as the caller no longer waits for the
/// response.
///
/// Otherwise a client or bidirectional stream that was cancelled after the response had begun would
/// stay open until the program stops sending: only the receiving half of its HTTP/2 stream would be
/// gone.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: tonic::body::Body,
    cancelled: Option<oneshot::Receiver<Infallible>>,
    failure: Arc<OnceLock<Status>>,
}

/// A guard held while the caller waits for the response; dropping it notifies the request's body.
#[derive(Debug)]
pub(crate) struct CallGuard {
    _sender: oneshot::Sender<Infallible>,
    failure: Arc<OnceLock<Status>>,
}

impl CallGuard {
    /// Returns the error of the request's body, if that ended the call: a message over the
    /// program's own limit, or an error of the program's stream.
    pub(crate) fn failure(&self) -> Option<Status> {
        self.failure.get().cloned()
    }
}

impl RequestBody {
    pub(crate) fn new(body: tonic::body::Body) -> (Self, CallGuard) {
        let (sender, cancelled) = oneshot::channel();
        let failure = Arc::new(OnceLock::new());
        let guard = CallGuard { _sender: sender, failure: Arc::clone(&failure) };
        (Self { body, cancelled: Some(cancelled), failure }, guard)
    }

    /// Waits until the caller no longer waits for the response. Ready once.
    pub(crate) fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(cancelled) = &mut self.cancelled else { return Poll::Pending };
        let _: Result<Infallible, _> = ready!(Pin::new(cancelled).poll(cx));
        self.cancelled = None;
        Poll::Ready(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.poll_cancelled(cx).is_ready() {
            // The reset reason is taken from this error.
            return Poll::Ready(Some(Err(h2::Error::from(h2::Reason::CANCEL).into())));
        }
        Pin::new(&mut this.body).poll_frame(cx).map_err(|status| {
            let _first = this.failure.set(status);
            h2::Error::from(h2::Reason::CANCEL).into()
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response, with statuses as errors. Dropping the body cancels the call.
///
/// The default is a body that is over, which a tonic interceptor returns for a call that it
/// refuses.
#[derive(Default)]
pub struct ResponseBody {
    /// `None` when the call is over.
    call: Option<Call>,
}

struct Call {
    incoming: Incoming,
    /// Set while the status is still to come, in the trailers.
    lacks_status: bool,
    deadline: Option<Sleep>,
    guard: CallGuard,
}

impl ResponseBody {
    /// Creates the body of a response with this head.
    pub(crate) fn new(
        head: &response::Parts,
        incoming: Incoming,
        deadline: Option<Sleep>,
        guard: CallGuard,
    ) -> Self {
        // An HTTP status other than 200 OK is sufficient.
        let lacks_status =
            head.status == StatusCode::OK && !head.headers.contains_key(Status::GRPC_STATUS);
        Self { call: Some(Call { incoming, lacks_status, deadline, guard }) }
    }
}

impl Call {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(deadline) = &mut self.deadline
            && Pin::new(deadline).poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(status::deadline_exceeded())));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.lacks_status &= !frame.is_trailers();
                Some(Ok(status::without_invalid_details(frame)))
            }
            Some(Err(error)) => {
                Some(Err(self.guard.failure().unwrap_or_else(|| status::from_call_error(error))))
            }
            // A truncated stream must not be mistaken for a complete one.
            None => self.lacks_status.then(|| Err(status::missing())),
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(call) = &mut this.call else { return Poll::Ready(None) };
        let frame = ready!(call.poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            // Reset the stream now, and not only when the program drops the body.
            this.call = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.call.as_ref().is_none_or(|call| !call.lacks_status && call.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.call.as_ref().map_or(SizeHint::with_exact(0), |call| call.incoming.size_hint())
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("has_ended", &self.call.is_none()).finish()
    }
}
