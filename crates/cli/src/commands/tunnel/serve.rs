//! `sockeye tunnel serve`: the end that connects to what is allowed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sockeye::resume::{self, Limits};
use sockeye::upgrade::TcpAcceptor;
use sockeye::{MemoryBudget, Shutdown};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use self::routes::Upgrades;
use self::service::Service;
use crate::allocator;
use crate::host::access_log::AccessLog;
use crate::host::bearer::BearerAccess;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::shutdown::TerminationSignals;
use crate::host::{hosts, listen, metrics, proxies, tls};
use crate::runtime;

pub(crate) use self::arguments::Serve;

mod arguments;
mod bind;
mod client;
mod proxy_header;
mod record;
mod routes;
mod service;
mod session;
mod stream;
mod target;
mod udp;

/// Maximum wait for the last lines of the access log. Chosen: a disk that works takes less.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the server until a signal stops it.
///
/// # Errors
/// When the server cannot start: the address is taken, a file cannot be used, or other machines can
/// reach the server and no flag says which clients are admitted.
pub(super) fn run(options: &Serve) -> anyhow::Result<()> {
    runtime::run(serve(options))
}

async fn serve(options: &Serve) -> anyhow::Result<()> {
    let hosting = &options.hosting;
    let metrics = if hosting.metrics { Some(metrics::ServerMetrics::install()?) } else { None };
    let listener = listen::bind(&hosting.listen).await?;
    // Before the address is printed, so that no signal of a reader of the address is missed.
    let mut signals = TerminationSignals::listen()?;
    let address = listener.local_addr().context("cannot read the address of the listener")?;
    let access = BearerAccess::new(&options.access, hosting, address)?;
    let tls = tls::server_config(hosting, address)?.map(TlsAcceptor::from).map(Reloadable::new);
    let hosts = hosts::policy(hosting, address)?;
    let proxies = proxies::trusted(hosting)?;
    let log = options.access_log.as_deref().map(AccessLog::open).transpose()?;

    let (new_sessions, sessions) = resume::listener();
    let limits =
        Limits::new().buffer(options.buffer).window(options.buffer).expiry(options.session_expiry);
    let sessions = sessions
        .limits(limits)
        .max_sessions(options.max_sessions)
        .memory_budget(MemoryBudget::new(options.memory_budget));
    let service = Arc::new(Service::new(options, log.clone()));
    let is_private = access.is_private();
    let upgrades = Upgrades::new(options, access, sessions, hosts.clone(), proxies.clone());
    let router = routes::router(upgrades, metrics);
    let hosts = Reloadable::new(Arc::new(hosts));
    let server = Server::new(hosting, router, &hosts, proxies, tls.clone());

    listen::announce(address, tls.is_some());
    if options.allow.is_empty() && options.allow_bind.is_empty() {
        warn!("nothing is allowed; add --allow HOST:PORT, or --allow-bind HOST:PORT");
    }
    if !is_private && tls.is_none() && !address.ip().is_loopback() {
        warn!("tokens and data travel without encryption: there is no --tls-cert");
    }
    tokio::select! {
        () = server.accept_all(TcpAcceptor::new(listener)) => {}
        () = allocator::trim_after_changes() => {}
        () = session::accept_all(new_sessions, &service) => {}
        () = signals.next() => {}
    }
    info!("shutting down: closing all connections; a second signal exits immediately");
    let shutdown = Shutdown::restart().timeout(hosting.shutdown_timeout);
    tokio::select! {
        drained = server.drain.finish(shutdown) => info!("shut down; WebSockets: {drained}"),
        () = signals.next() => {
            warn!("exiting immediately: some connections are still open");
            std::process::exit(signals.exit_status());
        }
    }
    if let Some(log) = &log {
        tokio::task::block_in_place(|| log.flush(FLUSH_TIMEOUT));
    }
    Ok(())
}
