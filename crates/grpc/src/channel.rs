//! What the clients of services call through.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HeaderValue, USER_AGENT};
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response};
use tonic::Status;
use tower_service::Service;

use crate::body::{RequestBody, ResponseBody};
use crate::clock::{self, Sleep};
use crate::connection::Failure;
use crate::endpoint::Endpoint;
use crate::http2::Incoming;
use crate::link::Link;
use crate::{deadline, status};

/// How often a call is tried that did not leave this program because the connection went away: once more than it takes
/// to meet a server that stops, so that it is not repeated for ever at one that always does.
const MAX_TRIES: u32 = 3;

/// A connection for gRPC that any number of calls share, and that is made again when it was lost.
///
/// Clients of services that tonic generates take it as their channel, in native programs and in the browser. Clones are
/// cheap and share the connection; it is closed when the last clone is dropped and no call is under way.
///
/// # Deadlines
/// The time limit of a request (`tonic::Request::set_timeout`) is told to the server, and kept here as well: when it has
/// passed, whatever the server does, the call is cancelled and fails as `deadline_exceeded`. It covers the wait for a
/// connection, and the last message of a stream.
///
/// # When the connection is lost
/// Calls under way fail as `unavailable`; whether the server has carried them out is not known, and none is sent again
/// by itself, other than one that had not left the program. The next call connects anew, once for all calls that come
/// meanwhile. If that fails they fail as `unavailable`, and so do others at once until a pause is over: see
/// [`Backoff`](crate::Backoff), [`reset_backoff`](Self::reset_backoff) and [`Endpoint::wait_for_ready`]. A connection that
/// ends before the server has answered any call counts as an attempt that failed.
///
/// # Cancellation
/// A call whose future or response stream is dropped is reset, and the server learns of it at once.
#[derive(Clone, Debug)]
pub struct Channel {
    link: Arc<Link>,
}

impl Channel {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Ends the pause after failed attempts to connect, if one lasts: the next call connects at once, and so do calls that
    /// [wait](Endpoint::wait_for_ready). For a program that knows more than the channel does: the network is back, or the
    /// user has asked for another try.
    pub fn reset_backoff(&self) {
        self.link.cut_pause();
    }
}

/// It is always ready: what is wrong with the connection is told by the call, as a status.
impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> ResponseFuture {
        let link = Arc::clone(&self.link);
        // The time begins here and not with the first poll, as it does for a caller.
        let deadline = deadline::of(request.headers()).map(clock::sleep);
        ResponseFuture { inner: Box::pin(call(link, request, deadline)) }
    }
}

/// The response to a call, up to its headers. Dropping it cancels the call.
pub struct ResponseFuture {
    inner: Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Status>> + Send>>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

async fn call(
    link: Arc<Link>,
    mut request: Request<tonic::body::Body>,
    mut deadline: Option<Sleep>,
) -> Result<Response<ResponseBody>, Status> {
    complete(&mut request, link.endpoint());
    let (head, body) = request.into_parts();
    let (body, interest) = RequestBody::new(body);
    let sending = send(&link, Request::from_parts(head, body));
    let response = clock::before(&mut deadline, sending)
        .await
        .unwrap_or_else(|| Err(status::deadline_exceeded()))
        .map_err(|status| interest.failure().unwrap_or(status))?;
    let (mut head, body) = response.into_parts();
    status::check_details(&mut head.headers);
    let body = ResponseBody::new(&head, body, deadline, interest);
    Ok(Response::from_parts(head, body))
}

/// Sends a request on the connection of the link, once: only what has not left is sent on another one.
async fn send(
    link: &Arc<Link>,
    mut request: Request<RequestBody>,
) -> Result<Response<Incoming>, Status> {
    let mut tries = 1;
    loop {
        let mut sender = link.sender().await?;
        match sender.send(request).await {
            Ok(response) => return Ok(response),
            Err(Failure { cause, unsent: None }) => return Err(status::of_call(cause)),
            Err(Failure { cause, .. }) if tries == MAX_TRIES => return Err(status::unsent(cause)),
            Err(Failure { unsent: Some(unsent), .. }) => request = unsent,
        }
        tries += 1;
    }
}

/// Adds what HTTP/2 wants of a request and a client of a service does not know.
fn complete(request: &mut Request<tonic::body::Body>, endpoint: &Endpoint) {
    let (scheme, authority) = endpoint.request_origin();
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme.get_or_insert_with(|| scheme.clone());
    uri.authority.get_or_insert_with(|| authority.clone());
    uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    // All three parts are there, which is all that can be wrong.
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    request
        .headers_mut()
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("sockeye-grpc/", env!("CARGO_PKG_VERSION"))));
}
