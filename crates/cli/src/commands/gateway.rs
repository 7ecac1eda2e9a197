//! `sockeye gateway`: serves gRPC services in every protocol, reloads its settings, and shuts down
//! gracefully.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sockeye::Shutdown;
use sockeye::upgrade::TcpAcceptor;
use sockeye_gateway::Gateway;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::allocator;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::shutdown::TerminationSignals;
use crate::host::workers::Workers;
use crate::host::{hosts, listen, metrics, proxies, tls};
use crate::runtime;

use self::access::Access;
use self::access_log::AccessLog;
use self::demo::Demo;
use self::reload::{ParseAgain, ReloadSignal, Reloader};
use self::routes::{Readiness, Routes};
use self::settings::{Settings, Surroundings};

pub(crate) use self::arguments::GatewayArguments;
pub(crate) use self::config::{ParseError, parse};

mod access;
mod access_log;
mod arguments;
mod config;
mod demo;
mod reload;
mod report;
mod routes;
mod settings;
mod upstream_argument;
mod upstreams;

/// Maximum wait for the last lines of the access log. Chosen: a disk that works takes less.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the gateway until a signal stops it. `parse_again` is called for each reload.
///
/// # Errors
/// When the gateway cannot start: the address is taken, a file cannot be used, other machines can
/// reach the gateway and no flag says who may make calls, or two services have the same route. An
/// upstream that does not answer is no error: it is asked again.
pub(crate) fn run(arguments: GatewayArguments, parse_again: ParseAgain) -> anyhow::Result<()> {
    runtime::run(serve(arguments, parse_again))
}

async fn serve(arguments: GatewayArguments, parse_again: ParseAgain) -> anyhow::Result<()> {
    let hosting = &arguments.hosting;
    let metrics = if hosting.metrics { Some(metrics::ServerMetrics::install()?) } else { None };
    if metrics.is_some() {
        sockeye_gateway::metrics::describe();
    }
    let listener = listen::bind(&hosting.listen).await?;
    // Before the address is printed, so that no signal of a reader of the address is missed.
    let mut signals = TerminationSignals::listen()?;
    let reload_signal = ReloadSignal::listen()?;
    let address = listener.local_addr().context("cannot read the address of the listener")?;
    let access = Access::new(&arguments, address)?;
    let tls = tls::server_config(hosting, address)?.map(TlsAcceptor::from).map(Reloadable::new);
    let hosts = Reloadable::new(Arc::new(hosts::policy(hosting, address)?));
    let surroundings = Surroundings {
        proxies: proxies::trusted(hosting)?,
        access_log: arguments.access_log.as_deref().map(AccessLog::open).transpose()?,
        demo: if arguments.demo { Some(Demo::start(hosting).await?) } else { None },
    };
    let Settings { builder, selectors } = Settings::new(&arguments, &access, &surroundings)?;
    let gateway = builder.build();
    let readiness = Readiness::new(gateway.clone());
    let is_private = Reloadable::new(access.is_private());
    let routes = Routes::new(gateway.clone(), readiness.clone(), metrics, is_private.clone());
    let proxies = surroundings.proxies.clone();
    let server = Server::new(hosting, routes, &hosts, proxies, tls.clone())
        .plain_http2()
        .workers(Workers::start()?);

    listen::announce(address, tls.is_some());
    print_hints(&arguments, &access, &listen::url(address, tls.is_some()));
    if !access.is_private() && tls.is_none() && !address.ip().is_loopback() {
        warn!("calls and tokens travel without encryption: there is no --tls-cert");
    }
    let arguments = Reloadable::new(Arc::new(arguments));
    let reloader = Reloader {
        parse_again,
        address,
        arguments: arguments.clone(),
        surroundings,
        gateway: gateway.clone(),
        tls,
        hosts,
        is_private,
    };
    tokio::select! {
        () = server.accept_all(TcpAcceptor::new(listener)) => {}
        () = allocator::trim_after_changes() => {}
        () = reloader.run(reload_signal) => {}
        error = watch_start(&gateway, &selectors) => return Err(error),
        () = wait_for_stop(&mut signals, &readiness, &arguments) => {}
    }
    info!("shutting down: waiting for the calls in progress; a second signal exits immediately");
    let timeout = arguments.current().hosting.shutdown_timeout;
    let drained = server.drain.finish(Shutdown::restart().timeout(timeout));
    let calls = tokio::time::timeout(timeout, gateway.drain());
    tokio::select! {
        (calls, _) = async { tokio::join!(calls, drained) } => {
            if calls.is_ok() {
                info!("shut down");
            } else {
                warn!("shut down; calls that took longer than {timeout:?} were cut off");
            }
        }
        () = signals.next() => {
            warn!("exiting immediately: some calls are still in progress");
            std::process::exit(signals.exit_status());
        }
    }
    if let Some(log) = &reloader.surroundings.access_log {
        tokio::task::block_in_place(|| log.flush(FLUSH_TIMEOUT));
    }
    Ok(())
}

/// Waits for the signal to stop, and then for `--drain-delay` or another signal.
async fn wait_for_stop(
    signals: &mut TerminationSignals,
    readiness: &Readiness,
    arguments: &Reloadable<Arc<GatewayArguments>>,
) {
    signals.next().await;
    readiness.stop();
    let Some(delay) = arguments.current().drain_delay else { return };
    info!("stopping in {delay:?}: /readyz answers 503 until then");
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = signals.next() => {}
    }
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
