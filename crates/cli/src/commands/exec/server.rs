//! Runs the server, and ends its processes when it stops.

use std::sync::Arc;

use anyhow::{Context, bail};
use sockeye::Shutdown;
use sockeye::upgrade::TcpAcceptor;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::access::Access;
use super::arguments::Exec;
use super::process::Processes;
use super::routes::{self, Service};
use crate::allocator;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::shutdown::TerminationSignals;
use crate::host::{hosts, listen, metrics, proxies, tls};
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
    let listener = listen::bind(&hosting.listen).await?;
    // Before the address is printed, so that a signal sent by a reader of the address stops the
    // server gracefully.
    let mut signals = TerminationSignals::listen()?;
    let address = listener.local_addr().context("cannot read the address of the listener")?;
    let tls = tls::server_config(hosting, address)?;
    let hosts = hosts::policy(hosting, address)?;
    let proxies = proxies::trusted(hosting)?;
    let access = Access::new(options, address)?;
    let service = Service::new(options, access, processes.clone(), hosts.clone(), proxies.clone())?;
    listen::announce(address, tls.is_some());

    let router = routes::router(service, metrics);
    let tls = tls.map(TlsAcceptor::from).map(Reloadable::new);
    let server = Server::new(hosting, router, &Reloadable::new(Arc::new(hosts)), proxies, tls);
    tokio::select! {
        () = server.accept_all(TcpAcceptor::new(listener)) => {}
        () = allocator::trim_after_changes() => {}
        () = signals.next() => {}
    }
    info!("shutting down: ending all processes; a second signal exits immediately");
    let shutdown = Shutdown::new().timeout(hosting.shutdown_timeout);
    tokio::select! {
        drained = server.drain.finish(shutdown) => info!("shut down; WebSockets: {drained}"),
        () = signals.next() => {
            warn!("exiting immediately: some processes have not ended");
            processes.kill_all();
            std::process::exit(signals.exit_status());
        }
    }
    Ok(())
}
