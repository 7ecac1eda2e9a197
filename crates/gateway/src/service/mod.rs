//! The gateway as a service.

mod body;
mod builder;
mod call;
mod compression;
mod connect;
mod error;
mod grpc;
mod grpc_web;
mod json;
mod messages;
mod origin;
mod reply_body;
mod request_body;
mod transcoder;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_service::Service;

use crate::catalog::{Catalog, Catalogs, SourceState};
use crate::deadline::TimeoutForm;
use crate::dispatch::{Codec, Dispatch, RequestHead, dispatch};
use crate::status::{Code, Status};
use body::RequestBody;
use builder::Settings;
use json::JsonCall;

pub use body::{Body, BoxError};
pub use builder::Builder;

/// A gateway in front of gRPC services: a tower service, for hyper, axum or any other server.
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye_gateway::Gateway;
/// use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
///
/// let upstream = Upstream::new(UpstreamConfig::new("http://127.0.0.1:50051".parse()?))?;
/// let gateway = Gateway::builder().upstream(upstream).build();
/// # let _ = gateway;
/// # Ok(())
/// # }
/// ```
///
/// The dialect of a request is chosen by its content type, and else by its path:
///
/// | request | dialect |
/// |---|---|
/// | `application/grpc` over HTTP/2 | gRPC, passed as it is |
/// | `application/grpc-web`, `application/grpc-web-text` | grpc-web |
/// | `application/connect+proto`, `application/connect+json` | Connect, streams |
/// | `application/proto`, `GET` with `message` and `encoding` | Connect, unary |
/// | a path of an HTTP rule | JSON over HTTP |
/// | `application/json` on `/package.Service/Method` | Connect, unary; streams as JSON over HTTP |
///
/// Clones share everything. The tasks that learn services end when the last clone is dropped.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    catalogs: Catalogs,
    /// One permit for each call that may be in progress.
    calls: Arc<Semaphore>,
    settings: Arc<Settings>,
}

impl Gateway {
    /// Returns the settings of a new gateway.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Waits until each upstream was asked for its services, successfully or not.
    pub async fn ready(&self) {
        self.inner.catalogs.ready().await;
    }

    /// Returns the current methods.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.catalogs.current()
    }

    /// Returns the state of each upstream, in the order in which they were added.
    pub fn sources(&self) -> Vec<SourceState> {
        self.inner.catalogs.states()
    }

    /// Answers a request.
    ///
    /// # Cancel safety
    /// Dropping the future, or the body of the response, cancels the call.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.inner.handle(request.map(body::boxed)).await
    }
}

impl Inner {
    async fn handle(self: &Arc<Self>, request: Request<RequestBody>) -> Response<Body> {
        if let Some(answer) = origin::refuse(&self.settings.origins, &request) {
            return answer;
        }
        let Ok(permit) = Arc::clone(&self.calls).try_acquire_owned() else {
            return error::rest(&Status::new(Code::Unavailable, "too many calls are in progress"));
        };
        let cors = origin::Cors::of(&request);
        let is_head = request.method() == Method::HEAD;
        let (head, body) = request.into_parts();
        let mut response = self.answer(head, body).await;
        if is_head {
            remove_body(&mut response);
        }
        cors.add(response.headers_mut());
        response.body_mut().occupy(permit);
        response
    }

    async fn answer(self: &Arc<Self>, head: Parts, body: RequestBody) -> Response<Body> {
        let catalog = self.catalogs.current();
        let dispatched = dispatch(
            &self.settings.dispatch,
            &RequestHead::new(&head, false),
            |path| catalog.method(path),
            |method, path| catalog.router().find(method, path),
        );
        match dispatched {
            Ok(Dispatch::Preflight) => origin::preflight(&head.headers),
            Ok(Dispatch::Grpc) => self.grpc(&catalog, head, body).await,
            Ok(Dispatch::GrpcWeb { is_text }) => self.grpc_web(&catalog, head, body, is_text).await,
            Ok(Dispatch::ConnectStream { method, codec }) => {
                self.connect_stream(method, codec, head, body).await
            }
            Ok(Dispatch::ConnectUnary { method, codec: Codec::Json })
                if connect::is_stream(method) || !connect::is_connect(&head.headers) =>
            {
                self.json(JsonCall::of_method(Arc::clone(method)), head, body).await
            }
            Ok(Dispatch::ConnectUnary { method, codec }) => {
                self.connect_unary(method, codec, head, body).await
            }
            Ok(Dispatch::ConnectGet { method }) => self.connect_get(method, head).await,
            Ok(Dispatch::Rest(found)) => {
                let method = Arc::clone(&found.value().method);
                let call = JsonCall::of_route(&found, head.uri.query(), self);
                // It borrows the head.
                drop(found);
                match call {
                    Ok(call) => self.json(call, head, body).await,
                    Err(status) => self.json_failure(&method, &status.into()),
                }
            }
            // The settings have neither the tunnel nor forms.
            Ok(_) => error::http(StatusCode::NOT_IMPLEMENTED, "WebSockets are not served here"),
            Err(error) => match error.allowed() {
                Some(allowed) => error::method_not_allowed(allowed.header()),
                None => error::http(error.status(), &error.to_string()),
            },
        }
    }
}

/// Removes the body of a response to HEAD, whose length is still told.
fn remove_body(response: &mut Response<Body>) {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

impl Inner {
    /// Returns the deadline of a call that begins now.
    fn deadline(&self, form: TimeoutForm, headers: &HeaderMap) -> Result<Option<Instant>, Status> {
        let requested = form.from_headers(headers);
        let requested =
            requested.map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))?;
        let timeout = self.settings.timeouts.clamp(requested);
        // A timeout beyond the range of the clock is none.
        Ok(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gateway = self.clone();
        Box::pin(async move { Ok(gateway.handle(request).await) })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("catalog", &self.catalog()).finish_non_exhaustive()
    }
}
