//! `sockeye serve`: runs the server, and shuts it down gracefully.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye::Shutdown;
use tracing::{info, warn};

use crate::allocator;
use crate::host::access_log::{self, AccessLog};
use crate::host::health::Readiness;
use crate::host::lifetime::{Lifetime, Stop};
use crate::host::listener::Listener;
use crate::host::reload::ReloadSignal;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::HostSettings;
use crate::host::{metrics, open_files};
use crate::parsed::ParseAgain;
use crate::runtime;

use self::connection_log::ConnectionLog;
use self::reload::Reloader;
use self::settings::WebSocketSettings;

pub(crate) use self::arguments::Serve;

mod arguments;
mod connection_log;
mod demo;
mod echo;
mod hub;
mod page;
mod reload;
mod routes;
mod settings;

/// The time that the hub has at least to tell the other servers that its clients have left, also
/// when the connections took all of `--shutdown-timeout`. Chosen: a bus that works takes less, and
/// the other servers would show the clients until their leases end.
const MIN_HUB_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the server until a signal stops it. `parse_again` is called for each reload.
///
/// # Errors
/// When the server cannot start: the address is taken, the certificate is invalid, an origin
/// pattern cannot be parsed, the bus cannot be reached. A failure of one connection is logged and
/// ends that connection only.
pub(crate) fn run(options: Serve, parse_again: ParseAgain<Serve>) -> anyhow::Result<()> {
    runtime::run(serve(options, parse_again))
}

async fn serve(options: Serve, parse_again: ParseAgain<Serve>) -> anyhow::Result<()> {
    let hosting = &options.hosting;
    open_files::raise_limit(hosting.max_connections);
    let bus = options.hub.bus()?;
    let metrics = metrics::install(hosting)?;
    let listener = Listener::open(hosting).await?;
    let address = listener.address()?;
    let mut lifetime = Lifetime::begin(&listener)?;
    let reload_signal = ReloadSignal::listen()?;
    let host = HostSettings::read(hosting, address)?;
    let access_log = options.access_log.as_deref().map(AccessLog::open).transpose()?;
    let connection_log = ConnectionLog::new(access_log.clone());
    let settings = WebSocketSettings::new(&options, &host, connection_log, None)?;
    let settings = Reloadable::new(settings);
    let hub = tokio::select! {
        hub = hub::HubServer::start(&options, bus, address, metrics::are_recorded(hosting)) => hub?,
        () = lifetime.signals.next() => {
            info!("stopped while the hub was starting");
            return Ok(());
        }
    };
    listener.announce(host.tls.is_some());

    let readiness = Readiness::new(|| None);
    let router = routes::router(settings.clone(), &hub, metrics, &readiness);
    let server = Server::new(hosting, router, host);
    let arguments = Reloadable::new(Arc::new(options));
    let reloader = Reloader {
        parse_again,
        address,
        arguments: arguments.clone(),
        server: &server,
        settings,
        hub: hub.clone(),
        access_log: access_log.clone(),
    };
    let notifier = lifetime.notifier.clone();
    notifier.ready();
    let delay = || arguments.current().hosting.drain_delay;
    let stop = tokio::select! {
        () = server.accept_all(listener) => Stop::Signal,
        () = allocator::trim_after_changes() => Stop::Signal,
        () = hub.export_metrics() => Stop::Signal,
        () = reload_signal.run(&notifier, async || reloader.reload()) => Stop::Signal,
        stop = lifetime.wait_for_stop(&readiness, delay) => stop,
    };
    let arguments = arguments.current();
    lifetime.let_connections_end(&server, &arguments.hosting).await;
    finish(lifetime, &server, &hub, stop, arguments.hosting.shutdown_timeout).await;
    access_log::flush(access_log.as_ref());
    Ok(())
}

/// Closes all connections, at most for `timeout`. Does not return if another signal comes.
async fn finish(
    mut lifetime: Lifetime,
    server: &Server,
    hub: &hub::HubServer,
    stop: Stop,
    timeout: Duration,
) {
    info!("shutting down: closing all connections; a second signal exits immediately");
    let shutdown = match stop {
        Stop::Signal => Shutdown::new(),
        Stop::Replaced => Shutdown::restart(),
    };
    let ending = async {
        let begun = Instant::now();
        hub.move_clients(timeout).await;
        let left = timeout.saturating_sub(begun.elapsed());
        let drained = server.drain.finish(shutdown.timeout(left)).await;
        let left = timeout.saturating_sub(begun.elapsed()).max(MIN_HUB_TIMEOUT);
        if tokio::time::timeout(left, hub.shut_down()).await.is_err() {
            warn!("the other servers of the hub were not told that the clients of this one left");
        }
        info!("shut down; WebSockets: {drained}");
    };
    lifetime.finish(ending, "some connections are still open", || {}).await;
}
