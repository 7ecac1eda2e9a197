//! The gateway as a service.
//!
//! Each layer uses the layers below it only:
//!
//! ```text
//!  builder                                     settings of a program, reload
//!  mod                                         the service: dispatch to a dialect
//!  grpc, grpc_web, connect, json, reflection,  the dialects
//!  websocket/, documents
//!  transcoder, compression, raw_body,          messages in the forms of the dialects
//!  request_body, reply_body
//!  call, messages                              calls, from `prepare` to their end
//!  error, origin, body, prefixes,              responses of the gateway itself, bodies
//!  metered_body, unread, charged_body,
//!  unsent, held_bytes                          memory of messages
//!  scope, shared, inner                        a call in progress, the state of the gateway
//!  settings, packet_routes, lifecycle          plain data
//! ```

mod body;
mod builder;
mod call;
mod charged_body;
mod compression;
mod connect;
mod documents;
mod error;
mod grpc;
mod grpc_web;
mod held_bytes;
mod inner;
mod json;
mod lifecycle;
mod messages;
mod metered_body;
mod origin;
mod packet_routes;
mod prefixes;
mod raw_body;
mod reflection;
mod reply_body;
mod request_body;
mod scope;
mod settings;
mod shared;
mod transcoder;
mod tunnel_sessions;
mod unread;
mod unsent;
mod websocket;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use sockeye::hyper::ext::Protocol;
use tower_service::Service;

use crate::catalog::{Catalog, MethodEntry, RouteConflicts, RouteTarget, SourceState};
use crate::dispatch::{Codec, Dispatch, DispatchError, RequestHead, dispatch, is_connect};
use crate::record::Dialect;
use crate::route::{Match, RouteError};
use body::RequestBody;
use inner::Inner;
use json::JsonCall;
use metered_body::{MeteredBody, TimedBody};
use reflection::ReflectionForm;
use scope::CallScope;
use shared::Shared;
use websocket::SocketDialect;

pub use body::{Body, BoxError};
pub use builder::Builder;
pub use packet_routes::{PacketRouteError, PacketRoutes};

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
/// | a WebSocket | by its subprotocol or path: see [`dispatch`](crate::dispatch) |
///
/// The server must serve upgrades of HTTP/1.1, and over HTTP/2 the extended CONNECT of RFC 8441,
/// for WebSockets to be opened.
///
/// Clones share everything. The tasks that learn services end when the last clone is dropped.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

impl Gateway {
    fn new(inner: Arc<Inner>) -> Self {
        Self { shared: Arc::new(Shared::new(inner)) }
    }

    fn current(&self) -> Arc<Inner> {
        self.shared.current()
    }

    /// Waits until each upstream was asked for its services, successfully or not.
    ///
    /// # Errors
    /// [`RouteConflicts`] if HTTP rules lead the same requests to different methods. A program
    /// should refuse to start then. If it goes on, the first of such rules is used, as it is after
    /// a change of an upstream: [`sources`](Self::sources) reports the others.
    pub async fn ready(&self) -> Result<(), RouteConflicts> {
        let inner = self.current();
        inner.catalogs.ready().await;
        RouteConflicts::check(inner.catalogs.current().conflicts())
    }

    /// Returns the current methods.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.current().catalogs.current()
    }

    /// Returns the state of each upstream, in the order in which they were added.
    pub fn sources(&self) -> Vec<SourceState> {
        self.current().catalogs.states()
    }

    /// Refuses new calls as `unavailable`, and waits until those in progress have ended. A server
    /// that stops calls this, and then closes its connections.
    ///
    /// # Cancel safety
    /// If the future is dropped, new calls are refused all the same.
    pub async fn drain(&self) {
        self.shared.lifecycle().drain().await;
    }

    /// Waits until [`drain`](Self::drain) was called: connections should then be closed once their
    /// calls have ended.
    pub async fn draining(&self) {
        self.shared.draining().await;
    }

    /// Reports whether new calls are refused, since [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.shared.lifecycle().is_draining()
    }

    /// Returns the number of calls in progress.
    pub fn calls_in_progress(&self) -> usize {
        self.shared.lifecycle().calls()
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
        self.current().handle(self, unread::read_to_end(request)).await
    }
}

impl Inner {
    /// Answers a request. WebSockets outlive these settings, and begin each of their calls with the
    /// current ones of the gateway.
    async fn handle(
        self: &Arc<Self>,
        gateway: &Gateway,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        if let Some(answer) = self.document(&request) {
            return answer;
        }
        let refusal = origin::refuse(&self.settings.origins, &request);
        // A page of another origin does not learn why.
        let cors = refusal.is_none().then(|| origin::Cors::of(&request));
        let (mut head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let (scope, mut response) = match self.begin(Dialect::Http, &head) {
            Err(status) => {
                let response = error::refusal(&RequestHead::new(&head, false), &status);
                (self.unplaced(Dialect::Http, &head), response)
            }
            Ok(scope) => {
                let response = if let Some(refusal) = refusal {
                    refusal
                } else {
                    head.extensions.insert(scope.clone());
                    let body = MeteredBody::boxed(body, Arc::clone(scope.counters()));
                    self.answer(gateway, &scope, head, body).await
                };
                (scope, response)
            }
        };
        if is_head {
            body::remove_body(&mut response);
        }
        scope.on_response(&mut response);
        if let Some(cors) = cors {
            cors.add(response.headers_mut());
        }
        response.body_mut().occupy(scope);
        response
    }

    async fn answer(
        self: &Arc<Self>,
        gateway: &Gateway,
        scope: &CallScope,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        let catalog = self.catalogs.current();
        if let Some(form) = ReflectionForm::of(&catalog, &RequestHead::new(&head, false)) {
            scope.set_method(form.dialect(), None);
            return self.reflect(form, catalog, head, body).await;
        }
        let dispatched = dispatch(
            &self.settings.dispatch,
            &RequestHead::new(&head, is_websocket_over_http2(&head)),
            |path| catalog.method(path),
            |method, path| catalog.router().find(method, path),
        );
        let body = match called_method(&dispatched, &catalog, &head) {
            Some((dialect, method)) => {
                scope.set_method(dialect, method.map(|method| method.path()));
                self.timed(body, method)
            }
            None => body,
        };
        match dispatched {
            Ok(Dispatch::Preflight) => origin::preflight(&head.headers),
            Ok(Dispatch::Grpc) => self.grpc(&catalog, head, body).await,
            Ok(Dispatch::GrpcWeb { is_text }) => self.grpc_web(&catalog, head, body, is_text).await,
            Ok(Dispatch::ConnectStream { method, codec }) => {
                self.connect_stream(method, codec, head, body).await
            }
            Ok(Dispatch::ConnectUnary { method, codec: Codec::Json })
                if is_plain_json(method, &head.headers) =>
            {
                self.json(JsonCall::of_method(Arc::clone(method)), head, body).await
            }
            Ok(Dispatch::ConnectUnary { method, codec }) => {
                self.connect_unary(method, codec, head, body).await
            }
            Ok(Dispatch::ConnectGet { method }) => self.connect_get(method, head).await,
            Ok(Dispatch::Rest(found)) => {
                let method = Arc::clone(&found.value().method);
                let call = JsonCall::of_route(&found, &head.method, head.uri.query(), self);
                // It borrows the head.
                drop(found);
                match call {
                    Ok(call) => self.json(call, head, body).await,
                    Err(status) => self.json_failure(&method, &status.into()),
                }
            }
            Ok(Dispatch::SockeyeGrpc) => {
                self.websocket(&gateway.shared, SocketDialect::Calls, head)
            }
            Ok(Dispatch::GrpcWebSockets) => {
                self.websocket(&gateway.shared, SocketDialect::GrpcWebSockets, head)
            }
            Ok(Dispatch::Packets) => self.websocket(&gateway.shared, SocketDialect::Packets, head),
            Ok(Dispatch::Tunnel) => self.tunnel(&gateway.shared, gateway.clone(), head),
            Ok(Dispatch::JsonWebSocketMethod(method)) => {
                let call = JsonCall::of_method(Arc::clone(method));
                self.websocket(&gateway.shared, SocketDialect::Json(Box::new(call)), head)
            }
            Ok(Dispatch::JsonWebSocketRoute { route: found, method }) => {
                let query = head.uri.query().map(websocket::without_method);
                let call = JsonCall::of_route(&found, &method, query.as_deref(), self);
                // It borrows the head.
                drop(found);
                match call {
                    Ok(call) => {
                        self.websocket(&gateway.shared, SocketDialect::Json(Box::new(call)), head)
                    }
                    Err(status) => error::rest(&status),
                }
            }
            Ok(Dispatch::RestForm(found)) => {
                let method = Arc::clone(&found.value().method);
                let call = self.form_call(&found, &head, body).await;
                drop(found);
                match call {
                    Ok(call) => self.json(call, head, body::empty()).await,
                    Err(status) => self.json_failure(&method, &status.into()),
                }
            }
            Err(DispatchError::Route(RouteError::NotFound)) if catalog.schemas().is_empty() => {
                error::refusal(&RequestHead::new(&head, false), &error::unknown_services())
            }
            Err(error) => {
                // A content type without a dialect, on a path that only RPC dialects have.
                let is_unsupported = matches!(error, DispatchError::UnsupportedMediaType);
                let is_rpc = is_unsupported || connect::expects_rpc_errors(&head);
                let form = if is_rpc { error::rpc } else { error::http };
                let response = form(error.status(), &error.to_string());
                match error.allowed() {
                    Some(allowed) => error::allow(response, allowed.header()),
                    None => response,
                }
            }
        }
    }

    /// Limits the time in which a request of one message arrives.
    fn timed(&self, body: RequestBody, method: Option<&Arc<MethodEntry>>) -> RequestBody {
        match method {
            Some(method) if !method.descriptor().client_streaming => {
                TimedBody::boxed(body, self.settings.body_timeout)
            }
            _ => body,
        }
    }
}

/// The result of [`dispatch`] on a catalog.
type Dispatched<'c, 'p> =
    Result<Dispatch<&'c Arc<MethodEntry>, Match<'c, 'p, RouteTarget>>, DispatchError>;

/// Returns the dialect of a call, and its method if the catalog has it. `None` for requests that
/// are no calls, and for WebSockets, whose calls begin later.
fn called_method<'c>(
    dispatched: &Dispatched<'c, '_>,
    catalog: &'c Catalog,
    head: &Parts,
) -> Option<(Dialect, Option<&'c Arc<MethodEntry>>)> {
    let passed = || catalog.method(head.uri.path());
    Some(match dispatched.as_ref().ok()? {
        Dispatch::Grpc => (Dialect::Grpc, passed()),
        Dispatch::GrpcWeb { .. } => (Dialect::GrpcWeb, passed()),
        Dispatch::ConnectUnary { method, codec: Codec::Json }
            if is_plain_json(method, &head.headers) =>
        {
            (Dialect::Json, Some(*method))
        }
        Dispatch::ConnectStream { method, .. }
        | Dispatch::ConnectUnary { method, .. }
        | Dispatch::ConnectGet { method } => (Dialect::Connect, Some(*method)),
        Dispatch::Rest(found) | Dispatch::RestForm(found) => {
            (Dialect::Json, Some(&found.value().method))
        }
        _ => return None,
    })
}

/// Reports whether JSON on the path of a method is JSON over HTTP rather than Connect.
fn is_plain_json(method: &MethodEntry, headers: &HeaderMap) -> bool {
    connect::is_stream(method) || !is_connect(headers)
}

/// Returns whether a request is the extended CONNECT of a WebSocket (RFC 8441).
fn is_websocket_over_http2(head: &Parts) -> bool {
    let protocol = head.extensions.get::<Protocol>();
    protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
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
