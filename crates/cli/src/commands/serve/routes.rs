//! The routes of the server.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::echo::{self, Echo};
use super::{demo, page};
use crate::host::metrics::ServerMetrics;

/// Returns the router of the server.
pub(crate) fn router(echo: Echo, metrics: Option<ServerMetrics>, max_message: usize) -> Router {
    let router = match metrics {
        Some(metrics) => {
            Router::new().route("/metrics", get(move || async move { metrics.page() }))
        }
        None => Router::new(),
    };
    router
        .merge(demo::routes(echo.options()))
        .route("/echo", any(echo::upgrade).with_state(echo))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/server.json", get(move || async move { about(max_message) }))
        .merge(page::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
}

/// Returns the facts about the server that the pages need, as JSON.
fn about(max_message: usize) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let demo = demo::is_built();
    let body =
        format!("{{\"version\":\"{version}\",\"maxMessage\":{max_message},\"demo\":{demo}}}\n");
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

async fn not_found() -> Response {
    let sentence = "There is nothing here. The page is at /, the WebSocket at /echo, \
                    and /healthz says whether the server is well.\n";
    (StatusCode::NOT_FOUND, sentence).into_response()
}

async fn method_not_allowed() -> Response {
    let sentence = "This path is there to be read, with GET or HEAD.\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], sentence).into_response()
}
