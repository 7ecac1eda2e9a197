//! `sockeye tunnel serve`: the end that connects to what is allowed.

use std::sync::Arc;

use sockeye::resume::{self, Limits};
use sockeye::{MemoryBudget, Shutdown};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use self::routes::Upgrades;
use self::service::Service;
use crate::allocator;
use crate::host::access_log::{self, AccessLog};
use crate::host::bearer::BearerAccess;
use crate::host::health::Readiness;
use crate::host::lifetime::Lifetime;
use crate::host::listener::Listener;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::{hosts, metrics, proxies, tls};
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
    let listener = Listener::open(hosting).await?;
    let address = listener.address()?;
    let mut lifetime = Lifetime::begin(&listener)?;
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
    let readiness = Readiness::new(|| None);
    let router = routes::router(upgrades, metrics, &readiness);
    let hosts = Reloadable::new(Arc::new(hosts));
    let server = Server::new(hosting, router, &hosts, proxies, tls.clone());

    listener.announce(tls.is_some());
    if options.allow.is_empty() && options.allow_bind.is_empty() {
        warn!("nothing is allowed; add --allow HOST:PORT, or --allow-bind HOST:PORT");
    }
    if !is_private && tls.is_none() && !address.ip().is_loopback() {
        warn!("tokens and data travel without encryption: there is no --tls-cert");
    }
    lifetime.notifier.clone().ready();
    let serving = async {
        tokio::select! {
            () = server.accept_all(listener) => {}
            () = allocator::trim_after_changes() => {}
            _ = lifetime.wait_for_stop(&readiness, || hosting.drain_delay) => {}
        }
        lifetime.let_connections_end(&server, hosting).await;
    };
    tokio::select! {
        () = serving => {}
        () = session::accept_all(new_sessions, &service) => {}
    }
    info!("shutting down: closing all connections; a second signal exits immediately");
    let shutdown = Shutdown::restart().timeout(hosting.shutdown_timeout);
    tokio::select! {
        drained = server.drain.finish(shutdown) => info!("shut down; WebSockets: {drained}"),
        () = lifetime.signals.next() => {
            warn!("exiting immediately: some connections are still open");
            std::process::exit(lifetime.signals.exit_status());
        }
    }
    if let Some(log) = &log {
        tokio::task::block_in_place(|| log.flush(access_log::FLUSH_TIMEOUT));
    }
    Ok(())
}
