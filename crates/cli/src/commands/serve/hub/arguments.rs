//! The arguments of the hub.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::bus::BusUrl;

/// The access to the hub, its rules, its server API, and the bus to other servers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hub")]
pub(crate) struct HubArguments {
    /// Rules of the hub's rooms by the prefix of their names, as TOML: who may join and publish,
    /// the length of histories, presence. The file closes all that it does not allow;
    /// docs/hub-config.md has all keys. Default: anybody may do everything, and a room keeps 1,000
    /// messages of at most 1 MiB together for an hour
    #[arg(long, value_name = "FILE")]
    pub(crate) hub_config: Option<PathBuf>,

    /// Admit clients with a token (JWT) that is signed with the secret in this file (HS256, HS384,
    /// HS512)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hub_jwks_file", "no_auth"])]
    pub(crate) hub_secret_file: Option<PathBuf>,

    /// Admit clients with a token (JWT) that is signed with a key of this JSON Web Key Set
    #[arg(long, value_name = "FILE", conflicts_with = "no_auth")]
    pub(crate) hub_jwks_file: Option<PathBuf>,

    /// Admit only tokens that are meant for this audience (`aud`)
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) hub_audience: Option<String>,

    /// Admit only tokens of this issuer (`iss`)
    #[arg(long, value_name = "ISSUER")]
    pub(crate) hub_issuer: Option<String>,

    /// Admit anybody to the hub who can reach the port. Without this flag and without tokens, the
    /// hub is off unless the server listens on loopback, without --trust-proxy, --allow-host and a
    /// certificate for another name than localhost; there it is off for requests with headers of a
    /// proxy, such as X-Forwarded-For
    #[arg(long)]
    pub(crate) no_auth: bool,

    /// Serve the server API at /api/ to programs that present the key in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,

    /// Join the hubs of several servers into one, by NATS (nats://, tls://; version 2.9 or newer,
    /// `nats-server -js`) or Redis (redis://; 6.2 or newer), its sentinels
    /// (`redis+sentinel://HOST,HOST/SERVICE`) or a cluster (`redis+cluster://HOST,HOST`; 7.0 or
    /// newer). `rediss` uses TLS, with the roots of the system or of `?ca_file=PATH`
    // The URL may hold a password, which clap would print with an error of a parser.
    #[arg(long, value_name = "URL", env = "SOCKEYE_BUS", hide_env_values = true)]
    pub(crate) bus: Option<String>,
}

impl HubArguments {
    /// Returns the bus, if there is one.
    ///
    /// # Errors
    /// A sentence without the URL, when it is not that of a bus.
    pub(crate) fn bus(&self) -> anyhow::Result<Option<BusUrl>> {
        let Some(url) = &self.bus else { return Ok(None) };
        Ok(Some(url.parse().context("cannot use the URL of --bus")?))
    }

    /// Returns the first of the given flags that makes no sense while the hub is off.
    pub(crate) fn needs_hub(&self) -> Option<&'static str> {
        let given = [
            (self.bus.is_some(), "--bus"),
            (self.hub_config.is_some(), "--hub-config"),
            (self.api_key_file.is_some(), "--api-key-file"),
        ];
        given.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }
}
