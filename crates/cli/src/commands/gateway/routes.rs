//! The routes of the program itself, beside those of the gateway.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{self, Request};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, MapOk};
use hyper::body::Incoming;
use sockeye_gateway::Gateway;
use tower_service::Service;

use super::access;
use crate::host::front::{Answered, answered};
use crate::host::health::Readiness;
use crate::host::metrics::ServerMetrics;
use crate::host::reloadable::Reloadable;

/// Returns the readiness of a gateway: it is ready while it knows services to call.
pub(crate) fn readiness(gateway: &Gateway) -> Readiness {
    let gateway = gateway.clone();
    Readiness::new(move || {
        let knows_services = gateway.sources().iter().any(|source| source.schema.is_some());
        (!knows_services).then_some("the services of no upstream are known yet\n")
    })
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
        readiness: &Readiness,
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
            .merge(readiness.routes());
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
