//! `sockeye gateway`: serves gRPC services in every protocol, reloads its settings, and shuts down
//! gracefully.

use std::sync::Arc;

use sockeye::Shutdown;
use sockeye_gateway::Gateway;
use tracing::{info, warn};

use crate::allocator;
use crate::host::access_log::{self, AccessLog};
use crate::host::lifetime::Lifetime;
use crate::host::listener::Listener;
use crate::host::listening_socket::LOCAL;
use crate::host::reload::ReloadSignal;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::HostSettings;
use crate::host::workers::Workers;
use crate::host::{listen, metrics, open_files, proxies};
use crate::parsed::ParseAgain;
use crate::runtime;

use self::access::Access;
use self::demo::Demo;
use self::reload::Reloader;
use self::routes::Routes;
use self::settings::{Settings, Surroundings};

pub(crate) use self::arguments::GatewayArguments;

mod access;
mod arguments;
mod call_line;
mod demo;
mod reload;
mod report;
mod routes;
mod settings;
mod upstream_argument;
mod upstreams;

/// Runs the gateway until a signal stops it. `parse_again` is called for each reload.
///
/// # Errors
/// When the gateway cannot start: the address is taken, a file cannot be used, other machines can
/// reach the gateway and no flag says who may make calls, or two services have the same route. An
/// upstream that does not answer is no error: it is asked again.
pub(crate) fn run(
    arguments: GatewayArguments,
    parse_again: ParseAgain<GatewayArguments>,
) -> anyhow::Result<()> {
    runtime::run(serve(arguments, parse_again))
}

/// Checks the settings and the files that they name.
///
/// # Errors
/// A sentence about the first that keeps the gateway from starting.
pub(crate) fn check_files(arguments: &GatewayArguments) -> anyhow::Result<()> {
    let hosting = &arguments.hosting;
    hosting.check_files()?;
    arguments.access_log.as_deref().map_or(Ok(()), AccessLog::check)?;
    let access = Access::new(arguments, hosting.expected_address())?;
    if arguments.demo && arguments.upstream.is_empty() {
        // The upstream of the demo exists only in a gateway that runs.
        return Ok(());
    }
    let proxies = proxies::trusted(hosting)?;
    let surroundings = Surroundings { proxies, access_log: None, demo: None };
    runtime::run(async { Settings::new(arguments, &access, &surroundings).map(drop) })
}

async fn serve(
    arguments: GatewayArguments,
    parse_again: ParseAgain<GatewayArguments>,
) -> anyhow::Result<()> {
    let hosting = &arguments.hosting;
    open_files::raise_limit(hosting.max_connections);
    let metrics = metrics::install(hosting)?;
    if metrics::are_recorded(hosting) {
        sockeye_gateway::metrics::describe();
    }
    let listener = Listener::open(hosting).await?;
    let address = listener.address()?;
    let mut lifetime = Lifetime::begin(&listener)?;
    let reload_signal = ReloadSignal::listen()?;
    let access = Access::new(&arguments, address)?;
    let host = HostSettings::read(hosting, address)?;
    let has_tls = host.tls.is_some();
    let surroundings = Surroundings {
        proxies: host.proxies.clone(),
        access_log: arguments.access_log.as_deref().map(AccessLog::open).transpose()?,
        demo: if arguments.demo { Some(Arc::new(Demo::start(hosting).await?)) } else { None },
    };
    let Settings { builder, selectors } = Settings::new(&arguments, &access, &surroundings)?;
    let gateway = builder.build();
    let readiness = routes::readiness(&gateway);
    let is_private = Reloadable::new(access.is_private());
    let routes = Routes::new(gateway.clone(), &readiness, metrics, is_private.clone());
    let server = Server::new(hosting, routes, host).plain_http2().workers(Workers::start()?);

    listener.announce(has_tls);
    if address != LOCAL {
        print_hints(&arguments, &access, &listen::url(address, has_tls));
    }
    if !access.is_private() && !has_tls && !address.ip().is_loopback() {
        warn!("calls and tokens travel without encryption: there is no --tls-cert");
    }
    let arguments = Reloadable::new(Arc::new(arguments));
    let reloader = Reloader {
        parse_again,
        address,
        arguments: arguments.clone(),
        surroundings,
        gateway: gateway.clone(),
        server: &server,
        is_private,
    };
    let notifier = lifetime.notifier.clone();
    notifier.ready();
    let delay = || arguments.current().hosting.drain_delay;
    tokio::select! {
        () = server.accept_all(listener) => {}
        () = allocator::trim_after_changes() => {}
        () = reload_signal.run(&notifier, async || reloader.reload().await) => {}
        error = watch_start(&gateway, &selectors) => return Err(error),
        _ = lifetime.wait_for_stop(&readiness, delay) => {}
    }
    let arguments = arguments.current();
    lifetime.let_connections_end(&server, &arguments.hosting).await;
    info!("shutting down: waiting for the calls in progress; a second signal exits immediately");
    let timeout = arguments.hosting.shutdown_timeout;
    let ending = async {
        let drained = server.drain.finish(Shutdown::restart().timeout(timeout));
        let calls = tokio::time::timeout(timeout, gateway.drain());
        let (calls, _) = tokio::join!(calls, drained);
        if calls.is_ok() {
            info!("shut down");
        } else {
            warn!("shut down; calls that took longer than {timeout:?} were cut off");
        }
    };
    lifetime.finish(ending, "some calls are still in progress", || {}).await;
    access_log::flush(reloader.surroundings.access_log.as_ref());
    Ok(())
}

/// Logs the services of the upstreams once they were asked. Returns if the gateway must not start.
async fn watch_start(gateway: &Gateway, selectors: &[String]) -> anyhow::Error {
    if let Err(conflicts) = gateway.ready().await {
        return anyhow::Error::new(conflicts).context("routes of the services are equal");
    }
    report::log_services(gateway, selectors);
    std::future::pending().await
}

/// Prints the address of the console, and commands to try the demo with.
fn print_hints(arguments: &GatewayArguments, access: &Access, url: &str) {
    if settings::has_console(arguments, access) {
        listen::print_line(&format!("The console is at {url}console/"));
    }
    if arguments.demo {
        listen::print_line("Try:");
        for example in demo::examples(url) {
            listen::print_line(&format!("  {example}"));
        }
    }
}
