//! The hub: rooms over WebSockets in two protocols, a server API, and an overview for the page.

mod access;
mod api;
mod arguments;
mod bus;
mod metrics;
mod overview;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{any, get};
use sockeye_hub::bus::Local;
use sockeye_hub::namespaces::Namespaces;
use sockeye_hub::protocol::Endpoint;
use sockeye_hub::token::Revocations;
use tracing::info;

pub(crate) use self::arguments::HubArguments;

use self::access::Access;
use self::api::ServerApi;
use self::bus::BusUrl;
use super::Serve;
use super::settings::WebSocketSettings;
use crate::host::reloadable::Reloadable;
use crate::telemetry;

/// The maximum time between two close frames to clients that move to other servers, so that a
/// server with few clients stops quickly: that of the server's drain.
const MAX_INTERVAL: Duration = Duration::from_millis(10);

/// Interval at which the metrics of the hub are updated for an exporter. Chosen: far shorter than the
/// interval of exports.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

/// The hub of the server, and who may use it.
#[derive(Clone, Debug)]
pub(crate) struct HubServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hub: sockeye_hub::Hub,
    settings: Reloadable<Arc<HubSettings>>,
    namespaces: Namespaces,
    revocations: Revocations,
    bus: Option<BusUrl>,
    /// The histories of a hub without a bus.
    local: Local,
    started: Instant,
    overview: overview::Cache,
}

/// The settings of the hub that a reload replaces: the keys of tokens, and that of the server API.
#[derive(Debug)]
pub(crate) struct HubSettings {
    endpoint: Endpoint,
    access: Access,
    api: ServerApi,
}

impl HubSettings {
    /// Reads the settings of a hub whose server listens on `bound`.
    ///
    /// # Errors
    /// When a file cannot be used, or a flag needs the hub, which is off.
    fn new(
        options: &Serve,
        bound: SocketAddr,
        hub: &sockeye_hub::Hub,
        namespaces: &Namespaces,
        revocations: &Revocations,
    ) -> anyhow::Result<Self> {
        let access = Access::new(&options.hub, &options.hosting, bound, revocations)?;
        let api = ServerApi::new(options, hub, namespaces)?;
        let endpoint = Endpoint::builder(hub.clone()).namespaces(namespaces.clone());
        let endpoint = match &access {
            Access::Tokens(verifier) => endpoint.tokens(verifier.clone()),
            Access::Off | Access::Private | Access::Anybody => endpoint.anonymous(true),
        };
        if matches!(access, Access::Off) {
            info!("the hub is off: add --hub-secret-file, --hub-jwks-file or --no-auth to use it");
        }
        Ok(Self { endpoint: endpoint.build(), access, api })
    }
}

impl HubServer {
    /// Starts the hub of a server that listens on `bound`, and connects it to `bus`.
    ///
    /// # Errors
    /// When a file cannot be used, the bus cannot be reached, or a flag needs the hub, which is
    /// off.
    pub(crate) async fn start(
        options: &Serve,
        bus: Option<BusUrl>,
        bound: SocketAddr,
        metrics: bool,
    ) -> anyhow::Result<Self> {
        let arguments = &options.hub;
        let revocations = Revocations::new();
        // Before the bus is connected, which may take long.
        Access::new(arguments, &options.hosting, bound, &revocations)?;
        let namespaces = namespaces(arguments)?;
        let mut builder =
            sockeye_hub::Hub::builder().namespaces(&namespaces).revocations(revocations.clone());
        let local = Local::new();
        if let Some(bus) = &bus {
            builder = bus.connect(builder).await?;
            info!("the hub is connected to {bus}");
        } else {
            builder = builder.bus(local.clone());
        }
        let hub = builder.build();
        let settings = HubSettings::new(options, bound, &hub, &namespaces, &revocations)?;
        if metrics {
            metrics::describe();
        }
        let inner = Inner {
            hub,
            settings: Reloadable::new(Arc::new(settings)),
            namespaces,
            revocations,
            bus,
            local,
            started: Instant::now(),
            overview: overview::Cache::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the current settings.
    fn settings(&self) -> Arc<HubSettings> {
        self.inner.settings.current()
    }

    /// Reads the settings anew, for [`apply`](Self::apply). The rules of rooms and the bus stay.
    ///
    /// # Errors
    /// When a file cannot be used, or a flag needs the hub, which is off.
    pub(crate) fn read_settings(
        &self,
        options: &Serve,
        bound: SocketAddr,
    ) -> anyhow::Result<HubSettings> {
        let Inner { hub, namespaces, revocations, .. } = &*self.inner;
        HubSettings::new(options, bound, hub, namespaces, revocations)
    }

    /// Replaces the settings. Clients that are connected stay.
    pub(crate) fn apply(&self, settings: HubSettings) {
        self.inner.settings.replace(Arc::new(settings));
    }

    /// Returns the routes of the hub.
    pub(crate) fn routes(&self, settings: &Reloadable<WebSocketSettings>) -> Router {
        let upgrades = upgrade::Upgrades { server: self.clone(), settings: settings.clone() };
        Router::new()
            .route("/hub", any(upgrade::sockeye).with_state(upgrades.clone()))
            .route("/connection/websocket", any(upgrade::centrifuge).with_state(upgrades))
            .route("/api/{*method}", any(api::call).with_state(self.clone()))
            .route("/rooms/{room}/messages", any(api::publish).with_state(self.clone()))
    }

    /// Returns the routes of the hub that are not WebSockets, and answer GET.
    pub(crate) fn pages(&self) -> Router {
        Router::new().route("/hub.json", get(overview::get).with_state(self.clone()))
    }

    /// Returns the word by which a page that is requested with these headers knows who may use the
    /// hub.
    pub(crate) fn admission(&self, headers: &HeaderMap) -> &'static str {
        match &self.settings().access {
            access if access.is_off(headers) => "off",
            Access::Tokens(_) => "token",
            _ => "anybody",
        }
    }

    /// Updates the metrics of the hub in the recorder of the process.
    pub(crate) fn record_metrics(&self) {
        metrics::record(&self.inner.hub.metrics(), &self.inner.local.metrics());
    }

    /// Updates the metrics of the hub for as long as the future is polled, if they are exported.
    pub(crate) async fn export_metrics(&self) {
        if !telemetry::exports_metrics() {
            std::future::pending::<()>().await;
        }
        let mut ticks = tokio::time::interval(METRICS_INTERVAL);
        loop {
            ticks.tick().await;
            self.record_metrics();
        }
    }

    /// Sends the clients to the other servers of the hub, if there is a bus, with hints that spread
    /// their return. Takes at most half of `timeout`.
    pub(crate) async fn move_clients(&self, timeout: Duration) {
        if self.inner.bus.is_none() {
            // The clients come back to this server, some seconds later: its drain has the hints.
            return;
        }
        let hub = &self.inner.hub;
        let sessions = u32::try_from(hub.session_count()).unwrap_or(u32::MAX);
        let spread = (timeout / 4).min(MAX_INTERVAL * sessions);
        // Clients that do not answer in time are disconnected with all others.
        let _ = tokio::time::timeout(timeout / 2, hub.drain(spread)).await;
    }

    /// Tells the other servers that the clients of this one have left. Called once the
    /// connections are closed.
    pub(crate) async fn shut_down(&self) {
        // The reason is short enough for a close frame, and without connections nothing fails.
        let _ = self.inner.hub.shutdown("").await;
    }
}

/// Checks the URL of the bus and the files that the flags name. Must be called within a Tokio
/// runtime.
///
/// # Errors
/// A sentence about the first that cannot be used.
pub(crate) fn check_files(options: &Serve) -> anyhow::Result<()> {
    options.hub.bus()?;
    let hub = sockeye_hub::Hub::builder().build();
    let namespaces = namespaces(&options.hub)?;
    let bound = options.hosting.expected_address();
    HubSettings::new(options, bound, &hub, &namespaces, &Revocations::new()).map(drop)
}

fn namespaces(arguments: &HubArguments) -> anyhow::Result<Namespaces> {
    let Some(file) = &arguments.hub_config else {
        return Ok(Namespaces::open());
    };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Namespaces::from_toml(&text).with_context(|| format!("cannot use {}", file.display()))
}
