//! `/echo`: returns every message unchanged.

use axum::extract::{Extension, State};
use axum::http::header::{ALLOW, CONNECTION, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use sockeye::upgrade::{HostPolicy, Options, TrustedProxies};
use sockeye::{Deflate, MemoryBudget, WebSocket};
use tracing::debug;

use super::Serve;
use crate::host::shutdown::ConnectionGuard;
use crate::host::websocket;

/// The subprotocol of `/echo`, selected if the client offers it.
const SUBPROTOCOL: &str = "echo.sockeye";

/// The upgrade options of the echo connections.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    options: Options,
}

impl Echo {
    /// Builds the upgrade options from the flags.
    ///
    /// # Errors
    /// When an `--allow-origin` is not a pattern.
    pub(crate) fn new(
        flags: &Serve,
        hosts: HostPolicy,
        proxies: TrustedProxies,
    ) -> anyhow::Result<Self> {
        let mut options = Options::new()
            .config(
                websocket::config(&flags.hosting, flags.idle_timeout)
                    .max_message_length(flags.max_message),
            )
            .allow_hosts(hosts)
            .trusted_proxies(proxies)
            .memory_budget(MemoryBudget::new(flags.memory_budget))
            .subprotocols([SUBPROTOCOL])
            .deflate(Deflate::default());
        for pattern in &flags.allow_origin {
            options = options.allow_origin(pattern)?;
        }
        Ok(Self { options })
    }

    /// Returns the options that hold for all other WebSockets too: origins, limits, timeouts.
    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }
}

/// Handles a request for `/echo`.
pub(crate) async fn upgrade(
    State(echo): State<Echo>,
    Extension(guard): Extension<ConnectionGuard>,
    (method, version, headers): (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    if let Some(refusal) = refuse_non_websocket("/", &method, version, &headers) {
        return refusal;
    }
    match upgrade {
        Ok(upgrade) => {
            let upgrade = upgrade.options(echo.options).drain(guard.drain());
            upgrade.on_upgrade(async move |ws| serve(ws, guard).await)
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

async fn serve(mut ws: WebSocket, _guard: ConnectionGuard) {
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
