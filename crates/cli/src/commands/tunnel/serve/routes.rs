//! The routes of the server, and the upgrade to a WebSocket.

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use sockeye::WebSocket;
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use sockeye::handshake::OriginPolicy;
use sockeye::resume::ResumableSessions;
use sockeye::upgrade::Options;
use tokio::runtime::Handle;
use tracing::{Instrument as _, debug};

use super::Serve;
use crate::commands::tunnel::protocol::{PATH, SUBPROTOCOL};
use crate::host::bearer::BearerAccess;
use crate::host::health::Readiness;
use crate::host::metrics::ServerMetrics;
use crate::host::reloadable::Reloadable;
use crate::host::settings::HostSettings;
use crate::host::shutdown::ConnectionGuard;
use crate::host::websocket;

/// What an upgrade needs.
#[derive(Clone, Debug)]
pub(super) struct Upgrades {
    access: BearerAccess,
    sessions: ResumableSessions,
    options: Options,
}

impl Upgrades {
    pub(super) fn new(
        flags: &Serve,
        access: BearerAccess,
        sessions: ResumableSessions,
        host: &HostSettings,
    ) -> Self {
        let options = host
            .upgrade_options(websocket::config(&flags.hosting, flags.idle_timeout))
            // No page has business here: browsers always send an origin, programs do not.
            .origins(OriginPolicy::listed_only())
            .subprotocols([SUBPROTOCOL]);
        Self { access, sessions, options }
    }
}

/// Returns the router of the server.
pub(super) fn router(
    upgrades: Reloadable<Upgrades>,
    metrics: Option<ServerMetrics>,
    readiness: &Readiness,
) -> Router {
    let pages = match metrics {
        Some(metrics) => {
            let render = move || async move { metrics.render() };
            Router::new().route("/metrics", get(render))
        }
        None => Router::new(),
    };
    pages
        .merge(readiness.routes())
        .route("/", any(upgrade).with_state(upgrades.clone()))
        .route(PATH, any(upgrade).with_state(upgrades))
        .fallback(not_found)
}

async fn upgrade(
    State(upgrades): State<Reloadable<Upgrades>>,
    Extension(guard): Extension<ConnectionGuard>,
    (method, headers): (Method, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    if method != Method::CONNECT && !headers.contains_key(UPGRADE) {
        let sentence = "This is a tunnel: `sockeye tunnel open` with this URL uses it.\n";
        let upgrade = [(UPGRADE, "websocket"), (CONNECTION, "upgrade")];
        return (StatusCode::UPGRADE_REQUIRED, upgrade, sentence).into_response();
    }
    let upgrades = upgrades.current();
    let identity = match upgrades.access.admit(&headers) {
        Ok(identity) => identity,
        Err(refusal) => {
            debug!(peer = %guard.peer(), "a client without a valid token was refused");
            return *refusal;
        }
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.options(upgrades.options).drain(guard.drain()),
        Err(rejection) => return rejection.into_response(),
    };
    let span = guard.span().clone();
    let handler = async move |mut ws: WebSocket| {
        debug!("client connected");
        // The session that it may begin stays on this thread.
        ws.set_data(Handle::current());
        match upgrades.sessions.serve(ws, &identity).await {
            Ok(()) => debug!("client disconnected"),
            Err(error) => debug!("client disconnected: {error}"),
        }
        drop(guard);
    };
    upgrade.on_upgrade(move |ws| handler(ws).instrument(span))
}

async fn not_found() -> Response {
    let sentence = "There is nothing here. The tunnel is at /tunnel.\n";
    (StatusCode::NOT_FOUND, sentence).into_response()
}
