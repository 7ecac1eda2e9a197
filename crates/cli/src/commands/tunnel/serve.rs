//! `sockeye tunnel serve`: the end that connects to what is allowed.

use std::sync::Arc;

use sockeye::{Shutdown, resume};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use self::reload::Reloader;
use self::routes::Upgrades;
use self::service::Service;
use crate::allocator;
use crate::host::access_log::{self, AccessLog};
use crate::host::bearer::BearerAccess;
use crate::host::health::Readiness;
use crate::host::lifetime::Lifetime;
use crate::host::listener::Listener;
use crate::host::reload::ReloadSignal;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::HostSettings;
use crate::host::workers::Workers;
use crate::host::{metrics, open_files};
use crate::parsed::ParseAgain;
use crate::runtime;

pub(crate) use self::arguments::Serve;

mod arguments;
mod bind;
mod client;
mod holders;
mod proxy_header;
mod record;
mod reload;
mod routes;
mod service;
mod session;
mod stream;
mod target;
mod udp;

/// Runs the server until a signal stops it. `parse_again` is called for each reload.
///
/// # Errors
/// When the server cannot start: the address is taken, a file cannot be used, or other machines can
/// reach the server and no flag says which clients are admitted.
pub(super) fn run(options: Serve, parse_again: ParseAgain<Serve>) -> anyhow::Result<()> {
    runtime::run(serve(options, parse_again))
}

async fn serve(options: Serve, parse_again: ParseAgain<Serve>) -> anyhow::Result<()> {
    let hosting = &options.hosting;
    open_files::raise_limit(hosting.max_connections);
    let metrics = metrics::install(hosting)?;
    let listener = Listener::open(hosting).await?;
    let address = listener.address()?;
    let mut lifetime = Lifetime::begin(&listener)?;
    let reload_signal = ReloadSignal::listen()?;
    let access = BearerAccess::new(&options.access, hosting, address)?;
    let host = HostSettings::read(hosting, address)?;
    let has_tls = host.tls.is_some();
    let log = options.access_log.as_deref().map(AccessLog::open).transpose()?;

    let (new_sessions, sessions) = resume::listener();
    let is_private = access.is_private();
    let service = Service::new(&options, access.clone(), log.clone());
    let sessions = options.limit(sessions.memory_budget(service.budget.clone()));
    let (service, service_receiver) = watch::channel(Arc::new(service));
    let upgrades = Upgrades::new(&options, access, sessions.clone(), &host);
    let upgrades = Reloadable::new(upgrades);
    let readiness = Readiness::new(|| None);
    let router = routes::router(upgrades.clone(), metrics, &readiness);
    let server = Server::new(hosting, router, host).workers(Workers::start()?);

    listener.announce(has_tls);
    if options.allow.is_empty() && options.allow_bind.is_empty() {
        warn!("nothing is allowed; add --allow HOST:PORT, or --allow-bind HOST:PORT");
    }
    if !is_private && !has_tls && !address.ip().is_loopback() {
        warn!("tokens and data travel without encryption: there is no --tls-cert");
    }
    let arguments = Reloadable::new(Arc::new(options));
    let reloader = Reloader {
        parse_again,
        address,
        arguments: arguments.clone(),
        server: &server,
        sessions,
        upgrades,
        service,
    };
    let notifier = lifetime.notifier.clone();
    notifier.ready();
    let serving = async {
        let delay = || arguments.current().hosting.drain_delay;
        tokio::select! {
            () = server.accept_all(listener) => {}
            () = allocator::trim_after_changes() => {}
            () = reload_signal.run(&notifier, async || reloader.reload()) => {}
            _ = lifetime.wait_for_stop(&readiness, delay) => {}
        }
        lifetime.let_connections_end(&server, &arguments.current().hosting).await;
    };
    let mut clients = JoinSet::new();
    tokio::select! {
        () = serving => {}
        () = session::accept_all(new_sessions, &service_receiver, &mut clients) => {}
    }
    info!("shutting down: closing all connections; a second signal exits immediately");
    let shutdown_timeout = arguments.current().hosting.shutdown_timeout;
    let ending = async {
        let drained = server.drain.finish(Shutdown::restart().timeout(shutdown_timeout)).await;
        // The sessions end with the sender of their settings, and write the lines of their streams.
        drop(reloader);
        let ended = async { while clients.join_next().await.is_some() {} };
        if timeout(shutdown_timeout, ended).await.is_err() {
            warn!("some connections are still open, and have no line in the access log");
        }
        info!("shut down; WebSockets: {drained}");
    };
    lifetime.finish(ending, "some connections are still open", || {}).await;
    access_log::flush(log.as_ref());
    Ok(())
}
