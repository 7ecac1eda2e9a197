//! The settings of a server that a reload replaces: those in flags and in the files that they name.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use sockeye::Config;
use sockeye::upgrade::{HostPolicy, Options, TrustedProxies};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::listening_socket::LOCAL;
use super::{Hosting, hosts, proxies, tls};

/// The settings of a server, checked.
pub(crate) struct HostSettings {
    pub(crate) hosts: Arc<HostPolicy>,
    pub(crate) proxies: TrustedProxies,
    /// `None` if the server does not use TLS, or keeps the certificate that it has generated or
    /// ordered.
    pub(crate) tls: Option<TlsAcceptor>,
}

impl HostSettings {
    /// Reads the settings of a server that begins to listen on `bound`. Must be called within a
    /// Tokio runtime, once.
    ///
    /// # Errors
    /// A sentence about the flag or the file that cannot be used.
    pub(crate) fn read(hosting: &Hosting, bound: SocketAddr) -> anyhow::Result<Self> {
        Self::with_tls(tls::server_config(hosting, bound)?, hosting, bound)
    }

    /// Reads the settings of a server that listens on `bound` already.
    ///
    /// # Errors
    /// A sentence about the flag or the file that cannot be used.
    pub(crate) fn read_again(hosting: &Hosting, bound: SocketAddr) -> anyhow::Result<Self> {
        #[cfg(feature = "acme")]
        hosting.acme.check()?;
        let is_fixed = hosting.has_own_certificate();
        let tls = if is_fixed { None } else { tls::server_config(hosting, bound)? };
        Self::with_tls(tls, hosting, bound)
    }

    /// Returns the options of upgrades to WebSockets with this configuration.
    pub(crate) fn upgrade_options(&self, config: Config) -> Options {
        Options::new()
            .config(config)
            .allow_hosts((*self.hosts).clone())
            .trusted_proxies(self.proxies.clone())
    }

    fn with_tls(
        tls: Option<Arc<ServerConfig>>,
        hosting: &Hosting,
        bound: SocketAddr,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            hosts: Arc::new(hosts::policy(hosting, bound)?),
            proxies: proxies::trusted(hosting)?,
            tls: tls.map(TlsAcceptor::from),
        })
    }
}

impl Hosting {
    /// Checks the files that the flags name.
    ///
    /// # Errors
    /// A sentence about the first file that cannot be used.
    pub(crate) fn check_files(&self) -> anyhow::Result<()> {
        HostSettings::read_again(self, self.expected_address()).map(drop)
    }

    /// Returns the address on which a server with these settings would listen, as far as that is
    /// known before.
    pub(crate) fn expected_address(&self) -> SocketAddr {
        self.listen.parse().unwrap_or(LOCAL)
    }

    /// Keeps the settings of `old` that a running server cannot change, with a warning for each
    /// that differs.
    pub(crate) fn keep_unchangeable(&mut self, old: &Self) {
        keep("listen", &old.listen, &mut self.listen);
        keep("listen-mode", &old.listen_mode, &mut self.listen_mode);
        keep("metrics", &old.metrics, &mut self.metrics);
        keep("self-signed", &old.self_signed, &mut self.self_signed);
        #[cfg(feature = "acme")]
        self.acme.keep_unchangeable(&old.acme);
        if old.tls_cert.is_some() != self.tls_cert.is_some() {
            keep("tls-cert", &old.tls_cert, &mut self.tls_cert);
            keep("tls-key", &old.tls_key, &mut self.tls_key);
        }
    }
}

/// Keeps a setting that a running server cannot change, with a warning if it differs.
pub(crate) fn keep<T: Clone + PartialEq>(flag: &str, old: &T, new: &mut T) {
    if *old != *new {
        warn!("--{flag} changes when the program is started again");
        new.clone_from(old);
    }
}
