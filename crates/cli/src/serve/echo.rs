//! `/echo`: every message comes back as it went.

use axum::extract::{Extension, State};
use axum::http::header::{ALLOW, CONNECTION, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use sockeye::upgrade::{HostPolicy, Options, TrustedProxies};
use sockeye::{Config, Deflate, MemoryBudget, WebSocket};
use tracing::debug;

use super::shutdown::Guest;
use crate::arguments::Serve;

/// The subprotocol that is agreed on with clients that ask for it.
const SUBPROTOCOL: &str = "echo.sockeye";

/// What every echo connection is upgraded with.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    options: Options,
}

impl Echo {
    /// # Errors
    /// When an `--allow-origin` is not a pattern.
    pub(crate) fn new(
        flags: &Serve,
        hosts: HostPolicy,
        proxies: TrustedProxies,
    ) -> anyhow::Result<Self> {
        let mut options = Options::new()
            .config(config(flags))
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

    /// What holds for every other WebSocket too: origins, limits, deadlines.
    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }
}

fn config(flags: &Serve) -> Config {
    // The ping leaves at the latest one interval after the last byte, and its answer is due two
    // intervals later: three at the most, unless the ping waits behind output that the peer takes.
    let quarter = flags.idle_timeout / 4;
    Config::default()
        .max_message_length(flags.max_message)
        .ping_after(Some(quarter))
        .pong_timeout(quarter * 2)
        .write_timeout(Some(flags.write_timeout))
        .close_timeout(flags.shutdown_timeout)
}

/// Answers `/echo`.
pub(crate) async fn upgrade(
    State(echo): State<Echo>,
    Extension(guest): Extension<Guest>,
    (method, version, headers): (Method, Version, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    if let Some(refusal) = refuse_what_is_no_websocket(&method, version, &headers) {
        return refusal;
    }
    match upgrade {
        Ok(upgrade) => {
            let upgrade = upgrade.options(echo.options).drain(guest.drain());
            upgrade.on_upgrade(async move |ws| answer(ws, guest).await)
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// The answer to a request that asks for no WebSocket: neither an upgrade of HTTP/1.1, nor an extended CONNECT of HTTP/2
/// (RFC 8441).
pub(crate) fn refuse_what_is_no_websocket(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Option<Response> {
    let sentence = "This is a WebSocket: point a WebSocket client here, \
                    or open / in a browser to try it.\n";
    if version == Version::HTTP_2 {
        // HTTP/2 has nothing to upgrade.
        let refusal = (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "CONNECT")], sentence);
        return (method != Method::CONNECT).then(|| refusal.into_response());
    }
    let headers_of_refusal = [(UPGRADE, "websocket"), (CONNECTION, "upgrade")];
    let refusal = (StatusCode::UPGRADE_REQUIRED, headers_of_refusal, sentence);
    (!headers.contains_key(UPGRADE)).then(|| refusal.into_response())
}

async fn answer(mut ws: WebSocket, _guest: Guest) {
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
        // Fed, not sent: the echoes of all messages that are here already leave in one write.
        ws.feed(message).await?;
    }
    Ok(())
}
