//! `/echo`: returns every message unchanged.

use axum::extract::{Extension, State};
use axum::http::header::{ALLOW, CONNECTION, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use sockeye::WebSocket;
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use tracing::debug;

use super::connection_log::ConnectionLog;
use super::settings::WebSocketSettings;
use crate::host::reloadable::Reloadable;
use crate::host::shutdown::ConnectionGuard;

/// The subprotocol of `/echo`, selected if the client offers it.
const SUBPROTOCOL: &str = "echo.sockeye";

/// Handles a request for `/echo`.
pub(crate) async fn upgrade(
    State(settings): State<Reloadable<WebSocketSettings>>,
    Extension(guard): Extension<ConnectionGuard>,
    (method, version, headers): (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    if let Some(refusal) = refuse_non_websocket("/", &method, version, &headers) {
        return refusal;
    }
    match upgrade {
        Ok(upgrade) => {
            let WebSocketSettings { options, connection_log, .. } = settings.current();
            let options = options.subprotocols([SUBPROTOCOL]);
            let upgrade = upgrade.options(options).drain(guard.drain());
            upgrade.on_upgrade(async move |ws| serve(ws, guard, connection_log).await)
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// Returns the refusal of a request that asks for no WebSocket: neither an upgrade of HTTP/1.1, nor
/// an extended CONNECT of HTTP/2 (RFC 8441). `page` is the path of the page that tries it.
pub(crate) fn refuse_non_websocket(
    page: &str,
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Option<Response> {
    let sentence = format!(
        "This is a WebSocket: point a WebSocket client here, or open {page} in a browser to try \
         it.\n"
    );
    if version == Version::HTTP_2 {
        // HTTP/2 has no upgrade.
        let refusal = (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "CONNECT")], sentence);
        return (method != Method::CONNECT).then(|| refusal.into_response());
    }
    let headers_of_refusal = [(UPGRADE, "websocket"), (CONNECTION, "upgrade")];
    let refusal = (StatusCode::UPGRADE_REQUIRED, headers_of_refusal, sentence);
    (!headers.contains_key(UPGRADE)).then(|| refusal.into_response())
}

async fn serve(mut ws: WebSocket, _guard: ConnectionGuard, connection_log: ConnectionLog) {
    let _logged = connection_log.begin("/echo", &mut ws);
    let peer = ws.peer_addr().map(tracing::field::display);
    debug!(peer, "WebSocket opened");
    match (echo(&mut ws).await, ws.close_frame()) {
        (Ok(()), Some(frame)) => debug!(peer, "WebSocket closed: {frame}"),
        (Ok(()), None) => debug!(peer, "WebSocket closed"),
        (Err(error), _) => {
            debug!(peer, "WebSocket failed: {:#}", anyhow::Error::new(error));
        }
    }
}

async fn echo(ws: &mut WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        // `feed` instead of `send`: the echoes of all messages received so far leave in one write.
        ws.feed(message).await?;
    }
    Ok(())
}
