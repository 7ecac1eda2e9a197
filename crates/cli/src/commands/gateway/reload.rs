//! Reloading: SIGHUP makes the program read its settings anew.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use sockeye::upgrade::HostPolicy;
use sockeye_gateway::Gateway;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::access::Access;
use super::settings::{Settings, Surroundings};
use super::{GatewayArguments, report};
use crate::host::reloadable::Reloadable;
use crate::host::{hosts, tls};

/// The signal that asks for a reload: SIGHUP.
#[derive(Debug)]
pub(crate) struct ReloadSignal {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl ReloadSignal {
    /// Installs a handler in place of the default action, which ends the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    #[cfg(unix)]
    async fn next(&mut self) {
        if self.hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits forever: the system has no such signal.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// A function that parses the command line of the process anew, with the file and the environment.
pub(crate) type ParseAgain = fn() -> anyhow::Result<GatewayArguments>;

/// The parts of a running gateway that a reload replaces.
pub(crate) struct Reloader {
    pub(crate) parse_again: ParseAgain,
    pub(crate) address: SocketAddr,
    pub(crate) arguments: Reloadable<Arc<GatewayArguments>>,
    pub(crate) surroundings: Surroundings,
    pub(crate) gateway: Gateway,
    pub(crate) tls: Option<Reloadable<TlsAcceptor>>,
    pub(crate) hosts: Reloadable<Arc<HostPolicy>>,
    pub(crate) is_private: Reloadable<bool>,
}

impl Reloader {
    /// Reloads at each signal, for as long as the future is polled.
    pub(crate) async fn run(&self, mut signal: ReloadSignal) {
        loop {
            signal.next().await;
            match self.reload().await {
                Ok(()) => info!("reloaded"),
                Err(error) => warn!("not reloaded, so the old settings stay: {error:#}"),
            }
        }
    }

    /// Reads everything anew, and replaces all of it or nothing. The access log is opened anew in
    /// any case.
    async fn reload(&self) -> anyhow::Result<()> {
        if let Some(log) = &self.surroundings.access_log {
            log.reopen();
        }
        let mut arguments = (self.parse_again)()?;
        keep_unchangeable(&self.arguments.current(), &mut arguments);
        let access = Access::new(&arguments, self.address)?;
        let hosts = hosts::policy(&arguments.hosting, self.address)?;
        let tls = match &self.tls {
            // A certificate that the program has generated stays.
            Some(_) if !arguments.hosting.self_signed => {
                tls::server_config(&arguments.hosting, self.address)?
            }
            _ => None,
        };
        let Settings { builder, selectors } =
            Settings::new(&arguments, &access, &self.surroundings)?;
        self.gateway.reload(builder).await.context("routes of the services are equal")?;
        self.hosts.replace(Arc::new(hosts));
        self.is_private.replace(access.is_private());
        if let (Some(current), Some(new)) = (&self.tls, tls) {
            current.replace(TlsAcceptor::from(new));
        }
        self.arguments.replace(Arc::new(arguments));
        report::log_services(&self.gateway, &selectors);
        Ok(())
    }
}

/// Keeps the settings that a running server cannot change, with a warning for each that differs.
fn keep_unchangeable(old: &GatewayArguments, new: &mut GatewayArguments) {
    fn keep<T: Clone + PartialEq>(flag: &str, old: &T, new: &mut T) {
        if *old != *new {
            warn!("--{flag} changes when the program is started again");
            new.clone_from(old);
        }
    }
    keep("access-log", &old.access_log, &mut new.access_log);
    keep("demo", &old.demo, &mut new.demo);
    let (old, new) = (&old.hosting, &mut new.hosting);
    keep("listen", &old.listen, &mut new.listen);
    keep("metrics", &old.metrics, &mut new.metrics);
    keep("self-signed", &old.self_signed, &mut new.self_signed);
    if old.tls_cert.is_some() != new.tls_cert.is_some() {
        keep("tls-cert", &old.tls_cert, &mut new.tls_cert);
        keep("tls-key", &old.tls_key, &mut new.tls_key);
    }
    keep("trust-proxy", &old.trust_proxy, &mut new.trust_proxy);
    keep("client-header", &old.client_header, &mut new.client_header);
    keep("proxy-protocol", &old.proxy_protocol, &mut new.proxy_protocol);
    keep("max-connections", &old.max_connections, &mut new.max_connections);
    keep("handshake-timeout", &old.handshake_timeout, &mut new.handshake_timeout);
    keep("write-timeout", &old.write_timeout, &mut new.write_timeout);
}
