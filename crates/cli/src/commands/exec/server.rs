//! Runs the server, and ends its processes when it stops.

use std::sync::Arc;

use anyhow::bail;
use sockeye::Shutdown;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::access::Access;
use super::arguments::Exec;
use super::process::Processes;
use super::routes::{self, Service};
use crate::allocator;
use crate::host::health::Readiness;
use crate::host::lifetime::Lifetime;
use crate::host::listener::Listener;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::{hosts, metrics, proxies, tls};
use crate::runtime;

/// Maximum of `--max-message`: lengths in front of messages have 31 bits.
const MAX_MESSAGE: usize = (1 << 31) - 1;

/// Runs the server until a signal stops it.
///
/// # Errors
/// When the server cannot start: there is no such program, the address is taken, or other machines
/// can reach it and no flag says which clients are admitted.
pub(crate) fn run(options: &Exec) -> anyhow::Result<()> {
    if options.max_message > MAX_MESSAGE {
        bail!("--max-message is at most 2 GiB");
    }
    let processes = Processes::new(options.max_processes, options.grace);
    let result = runtime::run(serve(options, &processes));
    // Some may not have ended within --shutdown-timeout.
    processes.kill_all();
    result
}

async fn serve(options: &Exec, processes: &Processes) -> anyhow::Result<()> {
    let hosting = &options.hosting;
    let metrics = if hosting.metrics { Some(metrics::ServerMetrics::install()?) } else { None };
    let listener = Listener::open(hosting).await?;
    let address = listener.address()?;
    let mut lifetime = Lifetime::begin(&listener)?;
    let tls = tls::server_config(hosting, address)?;
    let hosts = hosts::policy(hosting, address)?;
    let proxies = proxies::trusted(hosting)?;
    let access = Access::new(options, address)?;
    let service = Service::new(options, access, processes.clone(), hosts.clone(), proxies.clone())?;
    listener.announce(tls.is_some());

    let readiness = Readiness::new(|| None);
    let router = routes::router(service, metrics, &readiness);
    let tls = tls.map(TlsAcceptor::from).map(Reloadable::new);
    let server = Server::new(hosting, router, &Reloadable::new(Arc::new(hosts)), proxies, tls);
    lifetime.notifier.clone().ready();
    tokio::select! {
        () = server.accept_all(listener) => {}
        () = allocator::trim_after_changes() => {}
        _ = lifetime.wait_for_stop(&readiness, || hosting.drain_delay) => {}
    }
    lifetime.let_connections_end(&server, hosting).await;
    info!("shutting down: ending all processes; a second signal exits immediately");
    let shutdown = Shutdown::new().timeout(hosting.shutdown_timeout);
    tokio::select! {
        drained = server.drain.finish(shutdown) => info!("shut down; WebSockets: {drained}"),
        () = lifetime.signals.next() => {
            warn!("exiting immediately: some processes have not ended");
            processes.kill_all();
            std::process::exit(lifetime.signals.exit_status());
        }
    }
    Ok(())
}
