//! The requests of a call, on their way from the socket to the body of the request upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{mpsc, watch};

use crate::service::body::BoxError;
use crate::service::scope::Counters;

/// The number of bytes beyond which a socket waits for the upstream to take requests: see
/// [`RequestSender::capacity`]. The same as the credit of `sockeye.grpc.v1`.
const WINDOW: u64 = crate::dialect::framing::INITIAL_CREDIT;

/// Creates the two ends of the requests of a call. Both sides count bytes in the *cost* that each
/// request has: its length on the socket. The record of the call has it as well.
pub(super) fn channel(counters: Arc<Counters>) -> (RequestSender, SocketBody) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (taken, seen) = watch::channel(0);
    let body = SocketBody { requests: receiver, taken, counters, state: State::Open };
    (RequestSender { requests: Some(sender), taken: seen, sent: 0 }, body)
}

struct Request {
    bytes: Bytes,
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
    /// The cost that the body has taken.
    taken: watch::Receiver<u64>,
    sent: u64,
}

/// The client has sent something after the end of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AfterLast;

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
    pub(super) fn send(
        &mut self,
        bytes: Bytes,
        cost: usize,
        is_last: bool,
    ) -> Result<(), AfterLast> {
        let requests = self.requests.as_ref().ok_or(AfterLast)?;
        // An error means that the body is gone: the call is over, or will be.
        if requests.send(Request { bytes, cost, is_last }).is_ok() {
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
    taken: watch::Sender<u64>,
    counters: Arc<Counters>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Over,
}

impl http_body::Body for SocketBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        while this.state == State::Open {
            let Some(request) = ready!(this.requests.poll_recv(cx)) else {
                this.state = State::Over;
                let status = tonic::Status::cancelled("the client left the call");
                return Poll::Ready(Some(Err(status.into())));
            };
            if request.cost > 0 {
                this.taken.send_modify(|taken| *taken += request.cost as u64);
                this.counters.count_request_bytes(request.cost);
            }
            if request.is_last {
                this.state = State::Over;
            }
            // An end alone has no bytes.
            if !request.bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(request.bytes))));
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

    use http_body::Body as _;

    use super::*;

    async fn next(body: &mut SocketBody) -> Option<Result<Bytes, BoxError>> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn the_body_ends_with_the_last_request() {
        let (mut requests, mut body) = channel(Arc::default());
        requests.send(Bytes::from_static(b"a"), 1, false).unwrap();
        requests.send(Bytes::from_static(b"b"), 1, true).unwrap();
        assert_eq!(requests.send(Bytes::new(), 0, false), Err(AfterLast));
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "b");
        assert!(body.is_end_stream());
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn requests_without_an_end_are_no_end_of_the_body() {
        let (mut requests, mut body) = channel(Arc::default());
        requests.send(Bytes::from_static(b"a"), 1, false).unwrap();
        drop(requests);
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
        let (mut requests, mut body) = channel(Arc::default());
        requests.finish();
        drop(requests);
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn capacity_returns_as_the_body_takes_requests() {
        let (mut requests, mut body) = channel(Arc::default());
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
        let (mut requests, _body) = channel(Arc::default());
        requests.send(Bytes::from_static(b"d"), 2 * window, true).unwrap();
        requests.capacity().await;
    }
}
