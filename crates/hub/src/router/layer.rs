use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::writer::BoxFuture;
use super::{Failure, IntoReply, Reply, Request};

/// The service that a [layer](super::Router::layer) wraps: the router's endpoints, with the layers
/// that were added before.
#[derive(Clone)]
pub struct Route(Arc<dyn ErasedService>);

/// A service of any type.
pub(super) trait ErasedService: Send + Sync {
    fn serve(&self, request: Request) -> BoxFuture<'static, Reply>;
}

impl Route {
    pub(super) fn new(service: impl ErasedService + 'static) -> Self {
        Self(Arc::new(service))
    }

    /// Wraps this service with a layer.
    pub(super) fn layered<L>(self, layer: &L) -> Self
    where
        L: Layer<Self>,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoReply,
        <L::Service as Service<Request>>::Error: Into<Box<dyn Error + Send + Sync>>,
        <L::Service as Service<Request>>::Future: Send,
    {
        Self::new(Layered(layer.layer(self)))
    }

    pub(super) fn serve(&self, request: Request) -> BoxFuture<'static, Reply> {
        self.0.serve(request)
    }
}

impl Service<Request> for Route {
    type Response = Reply;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let reply = self.serve(request);
        Box::pin(async move { Ok(reply.await) })
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").finish_non_exhaustive()
    }
}

/// The service that a layer made.
struct Layered<T>(T);

impl<T> ErasedService for Layered<T>
where
    T: Service<Request> + Clone + Send + Sync + 'static,
    T::Response: IntoReply,
    T::Error: Into<Box<dyn Error + Send + Sync>>,
    T::Future: Send,
{
    fn serve(&self, request: Request) -> BoxFuture<'static, Reply> {
        let mut service = self.0.clone();
        Box::pin(async move {
            if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                return Reply::Failure(Failure::internal(error));
            }
            match service.call(request).await {
                Ok(reply) => reply.into_reply(),
                Err(error) => Reply::Failure(Failure::internal(error)),
            }
        })
    }
}

/// Makes a [layer](super::Router::layer) of an async function, which sees each command before its
/// endpoint, and may pass it on, change it, or answer it.
///
/// ```
/// use sockeye_hub::router::{Failure, Next, Reply, Request, Router, from_fn};
///
/// # #[derive(Clone)]
/// # struct User;
/// async fn authenticated(request: Request, next: Next) -> Result<Reply, Failure> {
///     if request.command() != "login" && request.data::<User>().is_none() {
///         return Err(Failure::unauthorized("log in first"));
///     }
///     Ok(next.run(request).await)
/// }
///
/// let router = Router::new(()).layer(from_fn(authenticated));
/// ```
pub fn from_fn<F, Fut>(function: F) -> FromFn<F>
where
    F: FnOnce(Request, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoReply> + Send,
{
    FromFn { function }
}

/// The layer of [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFn<F> {
    function: F,
}

impl<F: Clone> Layer<Route> for FromFn<F> {
    type Service = FromFnService<F>;

    fn layer(&self, inner: Route) -> FromFnService<F> {
        FromFnService { function: self.function.clone(), inner }
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

/// The service of [`from_fn`].
#[derive(Clone)]
pub struct FromFnService<F> {
    function: F,
    inner: Route,
}

impl<F, Fut> Service<Request> for FromFnService<F>
where
    F: FnOnce(Request, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoReply> + Send + 'static,
{
    type Response = Fut::Output;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Fut::Output, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let reply = (self.function.clone())(request, Next(self.inner.clone()));
        Box::pin(async move { Ok(reply.await) })
    }
}

impl<F> fmt::Debug for FromFnService<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFnService").finish_non_exhaustive()
    }
}

/// The rest of the way to the endpoint, for a function of [`from_fn`].
#[derive(Clone, Debug)]
pub struct Next(Route);

impl Next {
    /// Passes the command on, and returns its reply.
    pub async fn run(self, request: Request) -> Reply {
        self.0.serve(request).await
    }
}
