//! Runs the server, and ends its processes when it stops.

use std::sync::Arc;

use sockeye::Shutdown;
use tracing::info;

use super::access::Access;
use super::arguments::Exec;
use super::process::Processes;
use super::reload::{self, Reloader};
use super::routes::{self, Service, Settings};
use crate::allocator;
use crate::host::health::Readiness;
use crate::host::lifetime::Lifetime;
use crate::host::listener::Listener;
use crate::host::metrics;
use crate::host::reload::ReloadSignal;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::HostSettings;
use crate::parsed::ParseAgain;
use crate::runtime;

/// Runs the server until a signal stops it. `parse_again` is called for each reload.
///
/// # Errors
/// When the server cannot start: there is no such program, the address is taken, or other machines
/// can reach it and no flag says which clients are admitted.
pub(crate) fn run(options: Exec, parse_again: ParseAgain<Exec>) -> anyhow::Result<()> {
    reload::check(&options)?;
    let processes = Processes::new(options.max_processes, options.grace);
    let result = runtime::run(serve(options, parse_again, &processes));
    // Some may not have ended within --shutdown-timeout.
    processes.kill_all();
    result
}

/// Checks the files that the flags name.
///
/// # Errors
/// A sentence about the first file that cannot be used.
pub(crate) fn check_files(options: &Exec) -> anyhow::Result<()> {
    reload::check(options)?;
    options.hosting.check_files()?;
    Access::new(options, options.hosting.expected_address()).map(drop)
}

async fn serve(
    options: Exec,
    parse_again: ParseAgain<Exec>,
    processes: &Processes,
) -> anyhow::Result<()> {
    let hosting = &options.hosting;
    let metrics = metrics::install(hosting)?;
    let listener = Listener::open(hosting).await?;
    let address = listener.address()?;
    let mut lifetime = Lifetime::begin(&listener)?;
    let reload_signal = ReloadSignal::listen()?;
    let host = HostSettings::read(hosting, address)?;
    let access = Arc::new(Access::new(&options, address)?);
    let settings = Reloadable::new(Settings::new(&options, &host)?);
    let service = Service::new(&options, settings.clone(), Arc::clone(&access), processes.clone())?;
    listener.announce(host.tls.is_some());

    let readiness = Readiness::new(|| None);
    let router = routes::router(service, metrics, &readiness);
    let server = Server::new(hosting, router, host);
    let arguments = Reloadable::new(Arc::new(options));
    let reloader = Reloader {
        parse_again,
        address,
        arguments: arguments.clone(),
        server: &server,
        settings,
        access,
        processes,
    };
    let notifier = lifetime.notifier.clone();
    notifier.ready();
    let delay = || arguments.current().hosting.drain_delay;
    tokio::select! {
        () = server.accept_all(listener) => {}
        () = allocator::trim_after_changes() => {}
        () = reload_signal.run(&notifier, async || reloader.reload()) => {}
        _ = lifetime.wait_for_stop(&readiness, delay) => {}
    }
    let arguments = arguments.current();
    let hosting = &arguments.hosting;
    lifetime.let_connections_end(&server, hosting).await;
    info!("shutting down: ending all processes; a second signal exits immediately");
    let shutdown = Shutdown::new().timeout(hosting.shutdown_timeout);
    let ending = async {
        let drained = server.drain.finish(shutdown).await;
        info!("shut down; WebSockets: {drained}");
    };
    let kill_all = || processes.kill_all();
    lifetime.finish(ending, "some processes have not ended", kill_all).await;
    Ok(())
}
