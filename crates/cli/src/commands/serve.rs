//! `sockeye serve`: runs the server, and shuts it down gracefully.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sockeye::Shutdown;
use sockeye::upgrade::TcpAcceptor;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::allocator;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::shutdown::TerminationSignals;
use crate::host::{hosts, listen, metrics, proxies, tls};
use crate::runtime;

pub(crate) use self::arguments::Serve;

mod arguments;
mod demo;
mod echo;
mod hub;
mod page;
mod routes;

/// The time that the hub has at least to tell the other servers that its clients have left, also
/// when the connections took all of `--shutdown-timeout`. Chosen: a bus that works takes less, and
/// the other servers would show the clients until their leases end.
const MIN_HUB_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the server until a signal stops it.
///
/// # Errors
/// When the server cannot start: the address is taken, the certificate is invalid, an origin
/// pattern cannot be parsed, the bus cannot be reached. A failure of one connection is logged and
/// ends that connection only.
pub(crate) fn run(options: &Serve) -> anyhow::Result<()> {
    runtime::run(serve(options))
}

async fn serve(options: &Serve) -> anyhow::Result<()> {
    let hosting = &options.hosting;
    let bus = options.hub.bus()?;
    let metrics = if hosting.metrics { Some(metrics::ServerMetrics::install()?) } else { None };
    let listener = listen::bind(&hosting.listen).await?;
    // Before the address is printed, so that a signal sent by a reader of the address stops the
    // server gracefully.
    let mut signals = TerminationSignals::listen()?;
    let address = listener.local_addr().context("cannot read the address of the listener")?;
    let tls = tls::server_config(hosting, address)?;
    let hosts = hosts::policy(hosting, address)?;
    let proxies = proxies::trusted(hosting)?;
    let echo = echo::Echo::new(options, hosts.clone(), proxies.clone())?;
    let hub = tokio::select! {
        hub = hub::HubServer::start(options, bus, address, metrics.is_some()) => hub?,
        () = signals.next() => {
            info!("stopped while the hub was starting");
            return Ok(());
        }
    };
    listen::announce(address, tls.is_some());

    let router = routes::router(echo, &hub, metrics, options.max_message);
    let tls = tls.map(TlsAcceptor::from).map(Reloadable::new);
    let server = Server::new(hosting, router, &Reloadable::new(Arc::new(hosts)), proxies, tls);
    tokio::select! {
        () = server.accept_all(TcpAcceptor::new(listener)) => {}
        () = allocator::trim_after_changes() => {}
        () = signals.next() => {}
    }
    info!("shutting down: closing all connections; a second signal exits immediately");
    let finish = async {
        let begun = Instant::now();
        hub.move_clients(hosting.shutdown_timeout).await;
        let left = hosting.shutdown_timeout.saturating_sub(begun.elapsed());
        let drained = server.drain.finish(Shutdown::new().timeout(left)).await;
        let left = hosting.shutdown_timeout.saturating_sub(begun.elapsed()).max(MIN_HUB_TIMEOUT);
        if tokio::time::timeout(left, hub.shut_down()).await.is_err() {
            warn!("the other servers of the hub were not told that the clients of this one left");
        }
        drained
    };
    tokio::select! {
        drained = finish => info!("shut down; WebSockets: {drained}"),
        () = signals.next() => {
            warn!("exiting immediately: some connections are still open");
            std::process::exit(signals.exit_status());
        }
    }
    Ok(())
}
