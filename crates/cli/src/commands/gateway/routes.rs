//! The routes of the program itself, beside those of the gateway.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{self, Request, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, MapOk};
use hyper::body::Incoming;
use sockeye_gateway::Gateway;
use tower_service::Service;

use super::access;
use crate::host::front::{Answered, answered};
use crate::host::metrics::ServerMetrics;
use crate::host::reloadable::Reloadable;

/// The readiness for calls. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    gateway: Gateway,
    is_stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// Creates the readiness of a gateway that is not stopping.
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self { gateway, is_stopping: Arc::default() }
    }

    /// Records that the program stops soon, so that load balancers send no more calls.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Returns why no calls can be made, if none can.
    fn obstacle(&self) -> Option<&'static str> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Some("the gateway is shutting down\n");
        }
        let knows_services = self.gateway.sources().iter().any(|source| source.schema.is_some());
        (!knows_services).then_some("the services of no upstream are known yet\n")
    }
}

/// The paths of the program itself.
const OWN_PATHS: [&str; 3] = ["/healthz", "/metrics", "/readyz"];

/// The service of all requests: the program's paths, and the gateway for all others.
#[derive(Clone)]
pub(crate) struct Routes {
    gateway: Gateway,
    is_private: Reloadable<bool>,
    /// The program's paths, and the gateway where it has none.
    own: Router,
}

impl Routes {
    pub(crate) fn new(
        gateway: Gateway,
        readiness: Readiness,
        metrics: Option<ServerMetrics>,
        is_private: Reloadable<bool>,
    ) -> Self {
        let router = match metrics {
            Some(metrics) => {
                Router::new().route("/metrics", get(move || async move { metrics.render() }))
            }
            None => Router::new(),
        };
        let own = router
            .fallback_service(gateway.clone())
            .layer(middleware::from_fn_with_state(is_private.clone(), access::refuse_proxies))
            // Checks of health may come through a proxy.
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready).with_state(readiness));
        Self { gateway, is_private, own }
    }
}

type GatewayFuture = <Gateway as Service<Request<Incoming>>>::Future;

/// Calls do not pass through the router, which would cost a tenth of their time.
impl Service<Request<Incoming>> for Routes {
    type Response = Response;
    type Error = Infallible;
    type Future = Answered<
        Either<
            <Router as Service<Request<Incoming>>>::Future,
            MapOk<GatewayFuture, fn(http::Response<sockeye_gateway::Body>) -> Response>,
        >,
    >;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if OWN_PATHS.contains(&request.uri().path()) {
            return Either::Right(Either::Left(self.own.call(request)));
        }
        if let Some(refusal) = access::refuse_proxy(&self.is_private, request.headers()) {
            return answered(refusal);
        }
        let answer = self.gateway.call(request);
        Either::Right(Either::Right(answer.map_ok(|response| response.map(Body::new))))
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let headers = [(CACHE_CONTROL, "no-store")];
    match readiness.obstacle() {
        None => (headers, "ok\n").into_response(),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, headers, obstacle).into_response(),
    }
}
