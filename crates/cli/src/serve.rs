//! `sockeye serve`: listens, answers, and stops without leaving connections open.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use self::connection::Limits;
use self::shutdown::{Shutdown, TerminationSignals};
use crate::allocator;
use crate::arguments::Serve;

mod answer;
mod connection;
mod demo;
mod echo;
mod hosts;
mod listen;
mod metrics;
mod page;
mod plain;
mod proxies;
mod routes;
mod shutdown;
mod streams;
mod tls;

/// Runs the server until a signal stops it.
///
/// # Errors
/// When the server cannot start: the address is taken, the certificate is invalid, an origin
/// pattern cannot be parsed. A failure of one connection is logged and ends that connection only.
pub(crate) fn run(options: &Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let result = runtime.block_on(serve(options));
    // Connections that did not stop within --shutdown-timeout are not waited for a second time.
    runtime.shutdown_background();
    result
}

async fn serve(options: &Serve) -> anyhow::Result<()> {
    let metrics = if options.metrics { Some(metrics::ServerMetrics::install()?) } else { None };
    let listener = listen::bind(&options.listen).await?;
    // Before the address is printed, so that a signal sent by a reader of the address stops the
    // server gracefully.
    let mut stops = TerminationSignals::listen()?;
    let address = listener.local_addr().context("the listener has lost its address")?;
    let tls = tls::acceptor(options, address)?;
    let hosts = hosts::policy(options, address)?;
    let proxies = proxies::trusted(options)?;
    let echo = echo::Echo::new(options, hosts.clone(), proxies.clone())?;
    announce(address, tls.is_some());

    let server = Server {
        router: hosts::guard(routes::router(echo, metrics, options.max_message), hosts.clone()),
        limits: Limits {
            handshake: options.handshake_timeout,
            write: options.write_timeout,
            proxies,
            tls: tls.map(TlsAcceptor::from),
            plain: hosts::guard(plain::router(), hosts),
        },
        slots: Arc::new(Semaphore::new(options.max_connections)),
        shutdown: Shutdown::default(),
    };
    tokio::select! {
        () = server.accept_all(&listener) => {}
        () = allocator::trim_after_changes() => {}
        () = stops.next() => {}
    }
    drop(listener);
    info!("stopping: closing the connections; once more stops at once");
    tokio::select! {
        () = server.shutdown.finish(options.shutdown_timeout) => info!("stopped"),
        () = stops.next() => {
            warn!("stopped at once, leaving connections behind");
            std::process::exit(stops.status());
        }
    }
    Ok(())
}

/// Prints the address of the server, for people to click and programs to read.
fn announce(address: SocketAddr, tls: bool) {
    let url = listen::url(address, tls);
    // A closed standard output is no reason to stop serving.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "Sockeye listens on {url}").and_then(|()| out.flush());
    info!(%address, tls, "started");
}

struct Server {
    router: Router,
    limits: Limits,
    slots: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Server {
    /// Accepts connections for as long as the future is polled.
    async fn accept_all(&self, listener: &TcpListener) {
        let mut full = false;
        loop {
            let was_full = std::mem::replace(&mut full, self.slots.available_permits() == 0);
            if full && !was_full {
                warn!("all connections of --max-connections are in use; new ones wait");
            }
            // The slot comes first: a full server leaves new clients in the system's accept queue.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            let (stream, peer) = accept(listener).await;
            debug!(%peer, "accepted");
            let guard = self.shutdown.admit(peer, slot);
            let router = self.router.clone();
            let limits = self.limits.clone();
            tokio::spawn(connection::serve(stream, router, guard, limits));
        }
    }
}

/// Returns the next connection. Errors of accepting are transient: either the client has already
/// disconnected, or the process is out of file descriptors until some connection ends.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    // Long enough not to spin, short enough not to be noticed.
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Clients wait for small echoes. A socket that refuses this option is about to
                // fail.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
