//! ACME (RFC 8555): certificates from an authority, which checks by TLS-ALPN-01 (RFC 8737) that the
//! names lead to this server.

mod cache;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use futures_util::StreamExt as _;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_acme::acme::LETS_ENCRYPT_PRODUCTION_DIRECTORY;
use rustls_acme::{AcmeConfig, AcmeState, EventOk};
use tracing::{debug, info, warn};

use self::cache::Cache;
use super::settings::keep;
use super::tls;
use crate::client::tls as client_tls;

/// The certificate that is ordered, and the authority.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the flags have the names of the fields")]
pub(crate) struct AcmeArguments {
    /// Serve https and wss with a certificate for this name, ordered and renewed by ACME from an
    /// authority that connects to port 443 of the name (repeatable). It accepts the terms of the
    /// authority
    #[arg(long, value_name = "NAME", requires = "acme_cache", help_heading = "TLS")]
    #[arg(conflicts_with_all = ["tls_cert", "tls_key", "self_signed"], value_parser = name)]
    pub(crate) acme_domain: Vec<String>,

    /// Folder for the account's key, the certificate and its key, readable by this user only
    #[arg(long, value_name = "DIR", requires = "acme_domain", help_heading = "TLS")]
    acme_cache: Option<PathBuf>,

    /// Mail address to which the authority may write (repeatable)
    #[arg(long, value_name = "ADDRESS", requires = "acme_domain", help_heading = "TLS")]
    #[arg(value_parser = contact)]
    acme_contact: Vec<String>,

    /// Directory of the authority
    #[arg(long, value_name = "URL", default_value = LETS_ENCRYPT_PRODUCTION_DIRECTORY)]
    #[arg(help_heading = "TLS", value_parser = directory)]
    acme_directory: String,

    /// Trust the certificates in this file (PEM) to be those of the authority's directory, instead
    /// of the public ones
    #[arg(long, value_name = "FILE", requires = "acme_domain", help_heading = "TLS")]
    acme_cacert: Option<PathBuf>,
}

impl AcmeArguments {
    /// Returns whether certificates are ordered.
    pub(crate) fn is_on(&self) -> bool {
        !self.acme_domain.is_empty()
    }

    /// Checks the files that the flags name.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        client_tls::client_config(false, self.acme_cacert.as_deref(), None)?;
        Ok(())
    }

    /// Begins to order certificates, and returns a TLS configuration that uses them. Until there is
    /// one, TLS handshakes fail. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// A sentence about the file or folder that cannot be used.
    pub(crate) fn start(&self) -> anyhow::Result<ServerConfig> {
        let Some(folder) = &self.acme_cache else { bail!("--acme-domain needs --acme-cache") };
        let cache = Cache::open(folder.clone())?;
        let client = client_tls::client_config(false, self.acme_cacert.as_deref(), None)?;
        let contacts = self.acme_contact.iter().map(|address| format!("mailto:{address}"));
        let state = AcmeConfig::new_with_client_config(&self.acme_domain, Arc::new(client))
            .directory(&self.acme_directory)
            .contact(contacts)
            .cache(cache)
            .state();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("TLS cannot be set up")?
            .with_no_client_auth()
            .with_cert_resolver(state.resolver());
        config.alpn_protocols = tls::protocols();
        // Of these, the authority offers the last only. The resolver has another certificate for it.
        config.alpn_protocols.push(tls::ACME.to_vec());
        tokio::spawn(renew(state, self.acme_domain.join(", ")));
        Ok(config)
    }

    /// Keeps the settings of `old`, with a warning for each that differs.
    pub(crate) fn keep_unchangeable(&mut self, old: &Self) {
        keep("acme-domain", &old.acme_domain, &mut self.acme_domain);
        keep("acme-cache", &old.acme_cache, &mut self.acme_cache);
        keep("acme-contact", &old.acme_contact, &mut self.acme_contact);
        keep("acme-directory", &old.acme_directory, &mut self.acme_directory);
        keep("acme-cacert", &old.acme_cacert, &mut self.acme_cacert);
    }
}

/// Orders certificates, and renews them after two thirds of their time. An order that fails is
/// repeated after 1 s, then after twice the time, up to 18 h. Never returns.
async fn renew(mut state: AcmeState<std::io::Error>, names: String) {
    while let Some(event) = state.next().await {
        match event {
            Ok(EventOk::DeployedCachedCert) => info!("using the stored certificate for {names}"),
            Ok(EventOk::DeployedNewCert) => info!("using a new certificate for {names}"),
            Ok(stored) => debug!("ACME: {stored:?}"),
            Err(error) => warn!("no new certificate for {names}: {error}"),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(ServerName::DnsName(_)) if !text.ends_with('.') => Ok(text.to_ascii_lowercase()),
        _ => Err("expected a name such as app.example.com; there are no certificates for \
                  patterns and addresses by TLS-ALPN-01"
            .to_owned()),
    }
}

fn contact(text: &str) -> Result<String, String> {
    match text.split_once('@') {
        Some((user, host)) if !user.is_empty() && !host.is_empty() && !text.contains(':') => {
            Ok(text.to_owned())
        }
        _ => Err("expected a mail address such as admin@example.com".to_owned()),
    }
}

fn directory(text: &str) -> Result<String, String> {
    if text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("expected a URL with https://".to_owned())
    }
}
