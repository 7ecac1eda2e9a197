//! The routes of the server.

use axum::Router;
use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::hub::HubServer;
use super::settings::WebSocketSettings;
use super::{demo, echo, page};
use crate::host::health::Readiness;
use crate::host::metrics::ServerMetrics;
use crate::host::reloadable::Reloadable;

/// Returns the router of the server.
pub(crate) fn router(
    settings: Reloadable<WebSocketSettings>,
    hub: &HubServer,
    metrics: Option<ServerMetrics>,
    readiness: &Readiness,
) -> Router {
    let pages = match metrics {
        Some(metrics) => {
            let hub = hub.clone();
            let render = move || async move {
                hub.record_metrics();
                metrics.render()
            };
            Router::new().route("/metrics", get(render))
        }
        None => Router::new(),
    };
    let admission = {
        let (hub, settings) = (hub.clone(), settings.clone());
        move |headers: HeaderMap| async move {
            server_info(settings.current().max_message, hub.admission(&headers))
        }
    };
    let pages = pages
        .merge(readiness.routes())
        .route("/server.json", get(admission))
        .merge(page::routes())
        .merge(hub.pages())
        .route_layer(middleware::from_fn(refuse_websockets));
    pages
        .merge(demo::routes(settings.clone()))
        .merge(hub.routes(&settings))
        .route("/echo", any(echo::upgrade).with_state(settings))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
}

/// Returns the information about the server that the pages need, as JSON.
fn server_info(max_message: usize, admission: &str) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let demo = demo::is_built();
    let body = format!(
        "{{\"version\":\"{version}\",\"maxMessage\":{max_message},\"demo\":{demo},\
         \"hub\":\"{admission}\"}}\n"
    );
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

/// Refuses requests for WebSockets at the paths of pages. A server may ignore an upgrade and answer
/// with the page (RFC 9110 section 7.8), but that would not say where the WebSockets are.
async fn refuse_websockets(request: Request, next: Next) -> Response {
    let upgrades =
        request.headers().get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    let mut upgrades = upgrades.flat_map(|value| value.split(','));
    if request.method() == Method::CONNECT
        || upgrades.any(|upgrade| upgrade.trim().eq_ignore_ascii_case("websocket"))
    {
        let sentence = "There is no WebSocket at this path. /echo sends every message back, /hub \
                        and /connection/websocket lead to the rooms, and /grpc carries gRPC.\n";
        return (StatusCode::NOT_FOUND, sentence).into_response();
    }
    next.run(request).await
}

async fn not_found() -> Response {
    let sentence = "There is nothing here. The page is at /, the WebSocket at /echo, the rooms \
                    are at /hub, and /healthz reports whether the server is healthy.\n";
    (StatusCode::NOT_FOUND, sentence).into_response()
}

async fn method_not_allowed() -> Response {
    let sentence = "This path accepts only GET and HEAD.\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], sentence).into_response()
}
