//! The requests of a call, on their way from the socket to the body of the request upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use sockeye::MemoryBudget;
use tokio::sync::{mpsc, watch};

use crate::service::body::BoxError;
use crate::service::charged_body::ChargedBody;
use crate::service::held_bytes::HeldBytes;
use crate::service::scope::Counters;
use crate::status::{Code, Status};

/// The number of bytes beyond which a socket waits for the upstream to take requests: see
/// [`RequestSender::capacity`]. The same as the credit of `sockeye.grpc.v1`.
const WINDOW: u64 = crate::dialect::framing::INITIAL_CREDIT;

/// Creates the two ends of the requests of a call. Both sides count bytes in the *cost* that each
/// request has: its length on the socket. The record of the call has it as well.
pub(super) fn channel(
    counters: Arc<Counters>,
    budget: &MemoryBudget,
) -> (RequestSender, SocketBody) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (taken, seen) = watch::channel(0);
    let body =
        SocketBody { requests: receiver, current: None, taken, counters, state: State::Open };
    let budget = budget.clone();
    (RequestSender { requests: Some(sender), budget, taken: seen, sent: 0 }, body)
}

struct Request {
    body: ChargedBody,
    cost: usize,
    is_last: bool,
}

/// The end of the socket. The queue has no bound of its own: its users keep to
/// [`has_capacity`](Self::has_capacity).
///
/// Dropping it before the last request cancels the call: an upstream must not take a part of a
/// stream for all of it.
pub(super) struct RequestSender {
    /// `None` after the last request.
    requests: Option<mpsc::UnboundedSender<Request>>,
    budget: MemoryBudget,
    /// The cost that the body has taken.
    taken: watch::Receiver<u64>,
    sent: u64,
}

impl RequestSender {
    /// Returns whether the requests that wait cost less than the window.
    pub(super) fn has_capacity(&self) -> bool {
        self.sent - *self.taken.borrow() < WINDOW
    }

    /// Waits until there is capacity. Returns at once after the last request, and when the upstream
    /// takes no more requests: those that come are then discarded.
    pub(super) async fn capacity(&mut self) {
        if self.requests.is_none() {
            return;
        }
        let sent = self.sent;
        // An error means that the body is gone.
        let _ = self.taken.wait_for(|taken| sent - *taken < WINDOW).await;
    }

    /// Adds a request.
    ///
    /// # Errors
    /// `invalid_argument` after the last request, and `resource_exhausted` if there is no memory for
    /// the request.
    pub(super) fn send(&mut self, bytes: Bytes, cost: usize, is_last: bool) -> Result<(), Status> {
        let requests = self.requests.as_ref().ok_or_else(|| {
            Status::new(Code::InvalidArgument, "a message follows the end of the requests")
        })?;
        let held = HeldBytes::of_call(&self.budget);
        let body = ChargedBody::once(bytes, held, &self.budget)?;
        // An error means that the body is gone: the call is over, or will be.
        if requests.send(Request { body, cost, is_last }).is_ok() {
            self.sent += cost as u64;
        }
        if is_last {
            self.requests = None;
        }
        Ok(())
    }

    /// Ends the requests. Ending them twice is no error.
    pub(super) fn finish(&mut self) {
        let _ = self.send(Bytes::new(), 0, true);
    }

    /// Returns a count of the cost that the body has taken.
    pub(super) fn taken(&self) -> watch::Receiver<u64> {
        self.taken.clone()
    }
}

/// The body of the request upstream.
pub(super) struct SocketBody {
    requests: mpsc::UnboundedReceiver<Request>,
    /// The request of which a part was taken.
    current: Option<Request>,
    taken: watch::Sender<u64>,
    counters: Arc<Counters>,
    state: State,
}

impl SocketBody {
    /// Notes that the current request was taken whole.
    fn on_taken(&mut self) {
        let Some(Request { cost, is_last, .. }) = self.current.take() else { return };
        if cost > 0 {
            self.taken.send_modify(|taken| *taken += cost as u64);
            self.counters.count_request_bytes(cost);
        }
        if is_last {
            self.state = State::Over;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Over,
}

impl Body for SocketBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        while this.state == State::Open {
            let Some(request) = &mut this.current else {
                this.current = ready!(this.requests.poll_recv(cx));
                if this.current.is_none() {
                    this.state = State::Over;
                    let status = tonic::Status::cancelled("the client left the call");
                    return Poll::Ready(Some(Err(status.into())));
                }
                continue;
            };
            let polled = ready!(Body::poll_frame(Pin::new(&mut request.body), cx));
            if Body::is_end_stream(&request.body) {
                this.on_taken();
            }
            match polled {
                // An end alone has no bytes.
                None => {}
                Some(Err(error)) => {
                    this.state = State::Over;
                    return Poll::Ready(Some(Err(error)));
                }
                frame => return Poll::Ready(frame),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::future::poll_fn;

    use super::*;

    async fn next(body: &mut SocketBody) -> Option<Result<Bytes, BoxError>> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn the_body_ends_with_the_last_request() {
        let (mut requests, mut body) = channel(Arc::default(), &MemoryBudget::new(1024 * 1024));
        requests.send(Bytes::from_static(b"a"), 1, false).unwrap();
        requests.send(Bytes::from_static(b"b"), 1, true).unwrap();
        let late = requests.send(Bytes::new(), 0, false).unwrap_err();
        assert_eq!(late.code, Code::InvalidArgument);
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "b");
        assert!(body.is_end_stream());
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn requests_without_an_end_are_no_end_of_the_body() {
        let (mut requests, mut body) = channel(Arc::default(), &MemoryBudget::new(1024 * 1024));
        requests.send(Bytes::from_static(b"a"), 1, false).unwrap();
        drop(requests);
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
        let (mut requests, mut body) = channel(Arc::default(), &MemoryBudget::new(1024 * 1024));
        requests.finish();
        drop(requests);
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn requests_that_the_upstream_does_not_take_are_charged() {
        let budget = MemoryBudget::new(1024 * 1024);
        let (mut requests, mut body) = channel(Arc::default(), &budget);
        let (mut others, other_body) = channel(Arc::default(), &budget);
        requests.send(vec![7; 600 * 1024].into(), 1, false).unwrap();
        others.send(vec![7; 500 * 1024].into(), 1, false).unwrap();
        // The larger one was dropped at once.
        assert_eq!(budget.held(), 500 * 1024);
        let error = next(&mut body).await.unwrap().unwrap_err();
        let status = error.downcast_ref::<tonic::Status>().unwrap();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let refused = others.send(vec![7; 2 * 1024 * 1024].into(), 1, false).unwrap_err();
        assert_eq!(refused.code, Code::ResourceExhausted);
        drop((requests, body, others, other_body));
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn capacity_returns_as_the_body_takes_requests() {
        let (mut requests, mut body) = channel(Arc::default(), &MemoryBudget::new(1024 * 1024));
        let window = usize::try_from(WINDOW).unwrap();
        requests.send(Bytes::from_static(b"a"), window - 1, false).unwrap();
        assert!(requests.has_capacity());
        // A request that is longer than the rest is taken whole.
        requests.send(Bytes::from_static(b"b"), window, false).unwrap();
        assert!(!requests.has_capacity());
        next(&mut body).await.unwrap().unwrap();
        assert!(!requests.has_capacity());
        next(&mut body).await.unwrap().unwrap();
        requests.capacity().await;
        assert!(requests.has_capacity());
        requests.send(Bytes::from_static(b"c"), 2 * window, false).unwrap();
        drop(body);
        requests.capacity().await;
        let (mut requests, _body) = channel(Arc::default(), &MemoryBudget::new(1024 * 1024));
        requests.send(Bytes::from_static(b"d"), 2 * window, true).unwrap();
        requests.capacity().await;
    }
}
