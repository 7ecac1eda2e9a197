//! `/hub` and `/connection/websocket`: the hub for clients, in its own protocol and in
//! centrifuge's.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, Version};
use axum::response::{IntoResponse, Response};
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use sockeye_hub::protocol::Protocol;
use tracing::{Instrument as _, debug};

use super::HubServer;
use super::access;
use crate::commands::serve::echo;
use crate::commands::serve::settings::WebSocketSettings;
use crate::host::reloadable::Reloadable;
use crate::host::shutdown::ConnectionGuard;

/// The subprotocols of `/hub`.
const SOCKEYE: [&str; 2] = ["sockeye.hub.v1", "sockeye.hub.v1.binary"];
/// The subprotocols of `/connection/websocket`.
const CENTRIFUGE: [&str; 2] = ["centrifuge-json", "centrifuge-protobuf"];

/// The hub, with the settings of its WebSockets.
#[derive(Clone, Debug)]
pub(super) struct Upgrades {
    pub(super) server: HubServer,
    pub(super) settings: Reloadable<WebSocketSettings>,
}

/// Answers `/hub`.
pub(super) async fn sockeye(
    State(upgrades): State<Upgrades>,
    Extension(guard): Extension<ConnectionGuard>,
    head: (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    let mut settings = upgrades.settings.current();
    settings.options = settings.options.subprotocols(SOCKEYE);
    serve(&upgrades.server, settings, ("/hub", Protocol::V1Json), guard, head, upgrade)
}

/// Answers `/connection/websocket`.
pub(super) async fn centrifuge(
    State(upgrades): State<Upgrades>,
    Extension(guard): Extension<ConnectionGuard>,
    head: (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    let format = upgrade.as_ref().ok().and_then(|upgrade| upgrade.query("format"));
    let protocol = match format.as_deref() {
        Some("protobuf") => Protocol::CentrifugeProtobuf,
        _ => Protocol::CentrifugeJson,
    };
    let mut settings = upgrades.settings.current();
    settings.options = settings.options.subprotocols(CENTRIFUGE);
    let endpoint = ("/connection/websocket", protocol);
    serve(&upgrades.server, settings, endpoint, guard, head, upgrade)
}

/// Serves a client in the protocol of the subprotocol that it has requested, or else in `protocol`.
fn serve(
    server: &HubServer,
    WebSocketSettings { options, connection_log, .. }: WebSocketSettings,
    (path, protocol): (&'static str, Protocol),
    guard: ConnectionGuard,
    (method, version, headers): (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    if let Some(refusal) = echo::refuse_non_websocket("/chat", &method, version, &headers) {
        return refusal;
    }
    let settings = server.settings();
    if settings.access.is_off(&headers) {
        return access::off();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.options(options).drain(guard.drain()),
        Err(rejection) => return rejection.into_response(),
    };
    let span = guard.span().clone();
    let handler = async move |mut ws: sockeye::WebSocket| {
        let _logged = connection_log.begin(path, &mut ws);
        let peer = ws.peer_addr().map(tracing::field::display);
        debug!(peer, "client of the hub connected");
        let endpoint = &settings.endpoint;
        let outcome = match ws.subprotocol() {
            Some(_) => endpoint.serve(ws).await,
            None => endpoint.serve_as(ws, protocol).await,
        };
        match outcome {
            Ok(()) => debug!(peer, "client of the hub left"),
            Err(error) => debug!(peer, "client of the hub failed: {error}"),
        }
        drop(guard);
    };
    upgrade.on_upgrade(move |ws| handler(ws).instrument(span))
}
