//! The routes of the program itself, beside those of the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sockeye_gateway::Gateway;

use super::access;
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

/// Returns the router: the program's paths, and the gateway for all others.
pub(crate) fn router(
    gateway: Gateway,
    readiness: Readiness,
    metrics: Option<ServerMetrics>,
    is_private: Reloadable<bool>,
) -> Router {
    let router = match metrics {
        Some(metrics) => {
            Router::new().route("/metrics", get(move || async move { metrics.render() }))
        }
        None => Router::new(),
    };
    router
        .fallback_service(gateway)
        .layer(middleware::from_fn_with_state(is_private, access::refuse_proxies))
        // Checks of health may come through a proxy.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let headers = [(CACHE_CONTROL, "no-store")];
    match readiness.obstacle() {
        None => (headers, "ok\n").into_response(),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, headers, obstacle).into_response(),
    }
}
