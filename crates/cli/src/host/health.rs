//! `/healthz` and `/readyz`: whether the process works, and whether it is to get new connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The readiness for new connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Readiness {
    is_stopping: Arc<AtomicBool>,
    obstacle: Arc<dyn Fn() -> Option<&'static str> + Send + Sync>,
}

impl Readiness {
    /// Creates the readiness of a server that is ready while `obstacle` returns no reason against
    /// it, a line of text.
    pub(crate) fn new(obstacle: impl Fn() -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self { is_stopping: Arc::default(), obstacle: Arc::new(obstacle) }
    }

    /// Records that the server stops soon, so that load balancers send it no more clients.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Returns the routes of the two checks.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready).with_state(self.clone()))
    }

    fn obstacle(&self) -> Option<&'static str> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Some("the server is shutting down\n");
        }
        (self.obstacle)()
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let headers = [(CACHE_CONTROL, "no-store")];
    match readiness.obstacle() {
        None => (headers, "ok\n").into_response(),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, headers, obstacle).into_response(),
    }
}
