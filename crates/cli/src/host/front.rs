//! The first service of every request, which checks the host.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use futures_util::future::Either;
use hyper::Request;
use hyper::body::Incoming;
use sockeye::upgrade::HostPolicy;
use sockeye_gateway::metadata::ConnectionScheme;
use tower_service::Service;

use super::hosts;
use super::reloadable::Reloadable;

/// A service that answers the requests of connections, and is always ready.
pub(crate) trait Answer:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Answer for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The result of a request that a service answers, or that is answered before.
pub(crate) type Answered<F> = Either<Ready<Result<Response, Infallible>>, F>;

/// Answers a request without its service.
pub(crate) fn answered<F>(response: Response) -> Answered<F> {
    Either::Left(ready(Ok(response)))
}

/// Refuses requests for other hosts, and tells the service the scheme of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Front<A> {
    service: A,
    hosts: Reloadable<Arc<HostPolicy>>,
    scheme: ConnectionScheme,
}

impl<A> Front<A> {
    pub(crate) fn new(
        service: A,
        hosts: Reloadable<Arc<HostPolicy>>,
        scheme: ConnectionScheme,
    ) -> Self {
        Self { service, hosts, scheme }
    }
}

impl<A: Answer> Service<Request<Incoming>> for Front<A> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answered<A::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(refusal) = hosts::refuse(&request, &self.hosts.current()) {
            return answered(refusal);
        }
        request.extensions_mut().insert(self.scheme);
        Either::Right(self.service.call(request))
    }
}
