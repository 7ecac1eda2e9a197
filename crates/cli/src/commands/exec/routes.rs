//! The routes of the server: WebSockets at every path, and the page of a terminal.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode, Uri, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sockeye::axum::{WebSocketRejection, WebSocketUpgrade};
use sockeye::upgrade::Options;
use tracing::{Instrument as _, debug, warn};

use super::access::{self, Access, Grant};
use super::arguments::Exec;
use super::command::CommandLine;
use super::environment::{self, Request};
use super::pipes::{self, Pipes};
use super::process::Processes;
use super::{page, terminal};
use crate::host::health::Readiness;
use crate::host::metrics::ServerMetrics;
use crate::host::reloadable::Reloadable;
use crate::host::settings::HostSettings;
use crate::host::shutdown::ConnectionGuard;
use crate::host::websocket;

/// The command as clients reach it.
#[derive(Debug)]
pub(super) struct Service {
    settings: Reloadable<Settings>,
    mode: Mode,
    access: Arc<Access>,
    processes: Processes,
    command: Arc<CommandLine>,
    is_tls: bool,
}

#[derive(Debug)]
enum Mode {
    Own,
    Shared(pipes::Shared),
    Terminal(Arc<terminal::Registry>),
}

/// The settings of new WebSockets.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    upgrade: Options,
    pipes: Pipes,
}

impl Settings {
    /// Reads the settings from the flags.
    ///
    /// # Errors
    /// When an `--allow-origin` is not a pattern.
    pub(super) fn new(options: &Exec, host: &HostSettings) -> anyhow::Result<Self> {
        let config = websocket::config(&options.hosting, options.idle_timeout)
            .max_message_length(options.max_message);
        let mut upgrade = host.upgrade_options(config);
        for pattern in &options.allow_origin {
            upgrade = upgrade.allow_origin(pattern)?;
        }
        if options.pty {
            upgrade = upgrade.subprotocols(terminal::SUBPROTOCOLS);
        }
        Ok(Self { upgrade, pipes: Pipes::new(options) })
    }
}

impl Service {
    /// Builds the service from the flags.
    ///
    /// # Errors
    /// When there is no such command.
    pub(super) fn new(
        options: &Exec,
        settings: Reloadable<Settings>,
        access: Arc<Access>,
        processes: Processes,
    ) -> anyhow::Result<Self> {
        let hosting = &options.hosting;
        let command = Arc::new(CommandLine::new(options)?);
        let mode = if options.pty {
            let (command, processes) = (Arc::clone(&command), processes.clone());
            Mode::Terminal(terminal::Registry::new(options, command, processes))
        } else if options.shared {
            Mode::Shared(pipes::Shared::new(processes.clone()))
        } else {
            Mode::Own
        };
        let is_tls = hosting.tls_cert.is_some() || hosting.self_signed;
        Ok(Self { settings, mode, access, processes, command, is_tls })
    }

    fn is_terminal(&self) -> bool {
        matches!(self.mode, Mode::Terminal(_))
    }
}

/// Returns the router of the server.
pub(super) fn router(
    service: Service,
    metrics: Option<ServerMetrics>,
    readiness: &Readiness,
) -> Router {
    let login = post(access::login).with_state(Arc::clone(&service.access));
    let router = match metrics {
        Some(metrics) => {
            Router::new().route("/metrics", get(move || async move { metrics.render() }))
        }
        None => Router::new(),
    };
    let router = router.route("/login", login).fallback(answer).with_state(Arc::new(service));
    router.merge(readiness.routes())
}

async fn answer(
    State(service): State<Arc<Service>>,
    Extension(guard): Extension<ConnectionGuard>,
    (method, version, uri, headers): (Method, Version, Uri, HeaderMap),
    upgrade: Result<WebSocketUpgrade, WebSocketRejection>,
) -> Response {
    let is_websocket = match version {
        Version::HTTP_2 => method == Method::CONNECT,
        _ => headers.contains_key(UPGRADE),
    };
    if !is_websocket {
        return answer_without_websocket(&service, &method, version, &uri);
    }
    let Settings { upgrade: options, pipes } = service.settings.current();
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.options(options).drain(guard.drain()),
        Err(rejection) => return rejection.into_response(),
    };
    let grant = match service.access.admit(&headers) {
        Ok(grant) => Some(grant),
        Err(_) if service.is_terminal() && service.access.takes_first_message(&headers) => None,
        Err(refused) => return *refused,
    };
    if service.is_terminal() {
        let requested = upgrade.requested_subprotocols();
        if !requested.iter().any(|name| terminal::SUBPROTOCOLS.contains(name)) {
            let sentence = "A terminal needs the subprotocol sockeye.tty.v1 or tty.\n";
            return (StatusCode::BAD_REQUEST, sentence).into_response();
        }
    }
    let request = Request { uri, headers, version, is_tls: service.is_tls };
    connect(service, upgrade, pipes, request, grant, guard)
}

fn connect(
    service: Arc<Service>,
    upgrade: WebSocketUpgrade,
    pipes: Pipes,
    request: Request,
    grant: Option<Grant>,
    guard: ConnectionGuard,
) -> Response {
    let slot = match service.mode {
        Mode::Own => match service.processes.slot() {
            Some(slot) => Some(slot),
            None => return busy(),
        },
        Mode::Shared(_) | Mode::Terminal(_) => None,
    };
    let span = guard.span().clone();
    upgrade.on_upgrade(move |ws| {
        let served = async move {
            let peer = ws.peer_addr();
            debug!(peer = peer.map(tracing::field::display), "client connected");
            let command = {
                let (service, request) = (Arc::clone(&service), request.clone());
                move || service.command.command(&environment::variables(&request, peer))
            };
            match (&service.mode, grant, slot) {
                (Mode::Own, Some(grant), Some(slot)) => match command() {
                    Ok(command) => {
                        let (client, processes) = ((&grant, &*service.access), &service.processes);
                        pipes::serve_own(ws, command, pipes, client, processes, slot).await;
                    }
                    Err(error) => warn!("the process cannot be started: {error}"),
                },
                (Mode::Shared(shared), Some(grant), _) => {
                    let client = (&grant, &*service.access);
                    shared.serve(ws, pipes, command, client, guard.drain()).await;
                }
                (Mode::Terminal(registry), grant, _) => {
                    let drain = guard.drain().clone();
                    let sessions = terminal::Sessions::new(Arc::clone(registry), drain);
                    terminal::serve(ws, request, grant, &service.access, &sessions).await;
                }
                // Only clients of a terminal are upgraded without a grant.
                (Mode::Own | Mode::Shared(_), ..) => {}
            }
            debug!(peer = peer.map(tracing::field::display), "client left");
            drop(guard);
        };
        served.instrument(span)
    })
}

fn answer_without_websocket(
    service: &Service,
    method: &Method,
    version: Version,
    uri: &Uri,
) -> Response {
    if service.is_terminal() {
        if *method != Method::GET && *method != Method::HEAD {
            let sentence = "This path accepts only GET, HEAD and WebSockets.\n";
            let allow = [(ALLOW, "GET, HEAD")];
            return (StatusCode::METHOD_NOT_ALLOWED, allow, sentence).into_response();
        }
        let sentence = "There is nothing here. The terminal is at /.\n";
        return page::asset(uri.path())
            .unwrap_or_else(|| (StatusCode::NOT_FOUND, sentence).into_response());
    }
    let sentence = "This is a WebSocket to a command: point a WebSocket client here.\n";
    if version == Version::HTTP_2 {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "CONNECT")], sentence).into_response();
    }
    let headers = [(UPGRADE, "websocket"), (CONNECTION, "upgrade")];
    (StatusCode::UPGRADE_REQUIRED, headers, sentence).into_response()
}

fn busy() -> Response {
    let sentence = "All processes of --max-processes are in use; try again later.\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], sentence).into_response()
}
