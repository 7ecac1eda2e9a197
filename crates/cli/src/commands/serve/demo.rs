//! The gRPC demo: `/demo` is its page, `/grpc` its service over a WebSocket, `/demo/…` its client
//! for browsers, which is built separately from this program.

use std::path::PathBuf;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use sockeye_demo::Service;
use sockeye_demo::v1::demo_server::{DemoServer, SERVICE_NAME};
use tracing::{Instrument as _, debug};

use super::settings::WebSocketSettings;
use super::{echo, page};
use crate::host::connection;
use crate::host::reloadable::Reloadable;
use crate::host::shutdown::ConnectionGuard;

/// Returns the routes of the demo.
pub(crate) fn routes(settings: Reloadable<WebSocketSettings>) -> Router {
    let service = DemoServer::new(Service::default());
    let service = Router::new().route_service(&format!("/{SERVICE_NAME}/{{method}}"), service);
    Router::new()
        .route("/grpc", any(upgrade).with_state(Grpc { settings, service: service.clone() }))
        .route("/demo/{file}", get(file))
        // Native clients need no WebSocket.
        .merge(service)
}

#[derive(Clone, Debug)]
struct Grpc {
    settings: Reloadable<WebSocketSettings>,
    service: Router,
}

/// Answers `/grpc`: HTTP/2 inside a WebSocket.
async fn upgrade(
    State(grpc): State<Grpc>,
    Extension(guard): Extension<ConnectionGuard>,
    (method, version, headers): (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    if let Some(refusal) = echo::refuse_non_websocket("/demo", &method, version, &headers) {
        return refusal;
    }
    match upgrade {
        Ok(upgrade) => {
            let WebSocketSettings { options, connection_log, .. } = grpc.settings.current();
            upgrade.options(options).on_upgrade(async move |mut ws| {
                let _logged = connection_log.begin("/grpc", &mut ws);
                let peer = ws.peer_addr().map(tracing::field::display);
                debug!(peer, "gRPC over a WebSocket opened");
                let stream = sockeye_grpc::Connection::from(ws.into_byte_stream());
                let span = guard.span().clone();
                match connection::serve_grpc(stream, grpc.service, guard).instrument(span).await {
                    Ok(()) => debug!(peer, "gRPC over a WebSocket ended"),
                    Err(error) => debug!(peer, "gRPC over a WebSocket failed: {error:#}"),
                }
            })
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// Returns whether the client for browsers was built.
pub(crate) fn is_built() -> bool {
    folder().is_some()
}

/// Returns the folder in which `demo/build.sh` puts the client, which follows cargo's layout:
/// `demo` in the program's folder or beside it.
fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let mut folders = program.ancestors().skip(1).take(2).map(|folder| folder.join("demo"));
    folders.find(|folder| folder.join("client.js").is_file())
}

async fn file(Path(name): Path<String>) -> Response {
    let content_type = match name.as_str() {
        "client.js" => page::SCRIPT,
        "client_bg.wasm" => "application/wasm",
        _ => return (StatusCode::NOT_FOUND, "The demo has no such file.\n").into_response(),
    };
    let Some(folder) = folder() else {
        let sentence =
            "The client of the demo is not built. Run demo/build.sh, then load the page again.\n";
        return (StatusCode::NOT_FOUND, sentence).into_response();
    };
    match tokio::fs::read(folder.join(name)).await {
        Ok(body) => page::respond(content_type, body),
        Err(error) => {
            let sentence = format!("The client of the demo cannot be read: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
        }
    }
}
