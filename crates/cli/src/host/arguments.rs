//! The arguments of every command that listens.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

#[cfg(feature = "acme")]
use super::acme::AcmeArguments;
use super::listen::place;
use crate::units;

/// The listening address, TLS, allowed hosts, trusted proxies and limits of a server.
#[derive(Debug, Args)]
pub(crate) struct Hosting {
    /// Read settings from this TOML file, whose keys are the flags without dashes in front.
    /// `sockeye config check FILE` checks one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address and port to listen on; port 0 lets the system pick a free one. unix:PATH listens on
    /// a socket in the file system, whose clients count as those of 127.0.0.1; systemd and
    /// systemd:NAME take a socket that systemd has passed (`LISTEN_FDS`)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = place::parse)]
    pub(crate) listen: String,

    /// Permissions of the socket of --listen unix:PATH, in octal
    #[arg(long, value_name = "MODE", default_value = "660", value_parser = place::mode)]
    pub(crate) listen_mode: u32,

    /// Always refused, with a hint to use --listen: other programs have such a flag
    #[arg(long = "port", short = 'p', hide = true, value_parser = units::port)]
    _port: Option<Infallible>,

    /// Serve metrics of all connections at /metrics, for Prometheus, to anyone who can reach the
    /// port
    #[arg(long)]
    pub(crate) metrics: bool,

    /// Serve https and wss with this certificate chain (PEM, the server's certificate first)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Serve https and wss with a certificate generated at start, for localhost and the address
    /// listened on
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"], help_heading = "TLS")]
    pub(crate) self_signed: bool,

    #[cfg(feature = "acme")]
    #[command(flatten)]
    pub(super) acme: AcmeArguments,

    /// Accept requests for this host too, such as app.example.com or *.example.com (repeatable).
    /// Accepted without it are localhost, the address listened on, and the names in the certificate;
    /// a request for another host is refused with 421
    #[arg(long, value_name = "PATTERN", help_heading = "Limits")]
    #[arg(value_parser = units::host_pattern)]
    pub(crate) allow_host: Vec<String>,

    /// Trust the proxies of this network, such as 10.0.0.0/8, to report a client's address
    /// (repeatable)
    #[arg(long, value_name = "NETWORK", help_heading = "Proxies")]
    #[arg(value_parser = units::network)]
    pub(crate) trust_proxy: Vec<String>,

    /// Request header in which the trusted proxies report the client's address
    #[arg(long, value_name = "HEADER", requires = "trust_proxy", help_heading = "Proxies")]
    #[arg(value_enum)]
    pub(crate) client_header: Option<ClientHeader>,

    /// Take the client's address from the PROXY header at the start of each connection from a
    /// trusted proxy
    #[arg(long, requires = "trust_proxy", help_heading = "Proxies")]
    pub(crate) proxy_protocol: bool,

    /// Maximum number of simultaneous connections; further ones wait. On HTTP/2, each WebSocket
    /// after the first counts as a connection, and is refused with 503 instead
    #[arg(long, value_name = "NUMBER", default_value = "10000", help_heading = "Limits")]
    #[arg(value_parser = units::connections)]
    pub(crate) max_connections: usize,

    /// Timeout of the TLS handshake, and again of the head of each request
    #[arg(long, value_name = "DURATION", default_value = "10s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) handshake_timeout: Duration,

    /// Timeout of a write: the client must take at least one byte of a page, an answer or a message
    /// in this time
    #[arg(long, value_name = "DURATION", default_value = "30s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) write_timeout: Duration,

    /// Time between the signal to stop and the end of accepting, in which /readyz answers 503.
    /// Default: none
    #[arg(long, value_name = "DURATION", value_parser = units::duration, help_heading = "Limits")]
    pub(crate) drain_delay: Option<Duration>,

    /// Time for which the connections of a server that stops, or that SIGUSR2 has replaced, may go
    /// on before they are closed; a second signal closes them at once. Default: none
    #[arg(long, value_name = "DURATION", value_parser = units::duration, help_heading = "Limits")]
    pub(crate) drain: Option<Duration>,

    /// Maximum wait for the closing handshakes when the server stops; then the remaining
    /// connections are dropped
    #[arg(long, value_name = "DURATION", default_value = "5s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) shutdown_timeout: Duration,
}

impl Hosting {
    /// Returns the names for which certificates are ordered by ACME.
    #[cfg(feature = "acme")]
    pub(super) fn ordered_names(&self) -> &[String] {
        &self.acme.acme_domain
    }

    /// Returns no names: no certificates are ordered.
    #[cfg(not(feature = "acme"))]
    #[expect(clippy::unused_self, reason = "has names with the feature")]
    pub(super) const fn ordered_names(&self) -> &[String] {
        &[]
    }

    /// Returns whether the program makes its certificate, or orders it, instead of reading files.
    pub(super) fn has_own_certificate(&self) -> bool {
        self.self_signed || !self.ordered_names().is_empty()
    }
}

/// The headers in which proxies report a client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientHeader {
    /// X-Forwarded-For, as most proxies write it
    XForwardedFor,
    /// Forwarded (RFC 7239)
    Forwarded,
}
