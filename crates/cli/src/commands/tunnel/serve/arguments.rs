//! The arguments of `sockeye tunnel serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sockeye::resume::{Limits, ResumableSessions};

use crate::commands::tunnel::allow::Rule;
use crate::host::Hosting;
use crate::host::access_log::AccessLog;
use crate::host::bearer::{BearerAccess, BearerArguments};
use crate::units;

/// Serve a tunnel to targets that are allowed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye tunnel serve --allow 10.0.0.0/8:22 --allow db.internal:5432
  sockeye tunnel serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem \\
      --token-file tokens.txt --allow '*.internal:*'
  sockeye tunnel serve --allow 127.0.0.1:8000-8099 --allow-bind 127.0.0.1:9000

Rules of --allow, of which one must match:
  db.internal:5432      a name
  *.internal:443        the names below a domain
  10.0.0.0/8:22         addresses, also of names; [2001:db8::/32]:22 for IPv6
  *:443                 every host
  db.internal:8000-8099 a range of ports; * for all
  unix:/run/app.sock    a Unix socket, or unix:/run/app/* for those below a directory

A name is resolved once, every address must be allowed, and the connection goes to such an \
address. Loopback, link-local and metadata addresses need a rule with that address, a network \
within, or localhost.

Paths:
  /tunnel   the tunnel, also at /
  /healthz  answers ok
  /metrics  metrics for Prometheus, with --metrics

On loopback, without --allow-host and --trust-proxy, any program may use the tunnel. Elsewhere the \
server does not start until --token-file or --no-auth says who may. Browsers are refused.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(super) hosting: Hosting,

    #[command(flatten)]
    pub(super) access: BearerArguments,

    /// Allow connections to these targets (repeatable). Default: none
    #[arg(long, value_name = "HOST:PORT|unix:PATH", help_heading = "Access")]
    pub(super) allow: Vec<Rule>,

    /// Allow clients to listen on these addresses of the server (repeatable). Default: none
    #[arg(long, value_name = "HOST:PORT|unix:PATH", help_heading = "Access")]
    pub(super) allow_bind: Vec<Rule>,

    /// Send the client's address to TCP targets in a PROXY header, version 2
    #[arg(long, help_heading = "Targets")]
    pub(super) send_proxy: bool,

    /// Time to resolve the name of a target, and again to connect
    #[arg(long, value_name = "DURATION", default_value = "10s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(super) connect_timeout: Duration,

    /// Reset connections after this time without data in either direction, or twice that. Default:
    /// never
    #[arg(long, value_name = "DURATION", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(super) stream_idle: Option<Duration>,

    /// Forget the UDP of a client after this time without a datagram, or twice that
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(super) udp_idle: Duration,

    /// Maximum number of connections of one client; further ones wait
    #[arg(long, value_name = "NUMBER", default_value = "256", help_heading = "Limits")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) max_streams: u32,

    /// Maximum number of clients; further ones are refused
    #[arg(long, value_name = "NUMBER", default_value = "1000", help_heading = "Limits")]
    #[arg(value_parser = units::connections)]
    pub(super) max_sessions: usize,

    /// Time for which the connections of a client that lost its WebSocket are kept
    #[arg(long, value_name = "DURATION", default_value = "2m", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(super) session_expiry: Duration,

    /// Data on the way to and from one client: the speed is at most this in one round trip
    #[arg(long, value_name = "SIZE", default_value = "4MiB", help_heading = "Limits")]
    #[arg(value_parser = super::super::buffer)]
    pub(super) buffer: u32,

    /// Memory for data on the way of all clients; beyond it, the client with the most is disconnected
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(super) memory_budget: usize,

    /// Silence after which the server drops a WebSocket; pings keep a responsive client connected
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(super) idle_timeout: Duration,

    /// Append a line of JSON for each connection to this file; - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Logging")]
    pub(super) access_log: Option<PathBuf>,
}

impl Serve {
    /// Sets the limits of new sessions.
    pub(super) fn limit(&self, sessions: ResumableSessions) -> ResumableSessions {
        let limits =
            Limits::new().buffer(self.buffer).window(self.buffer).expiry(self.session_expiry);
        sessions.limits(limits).max_sessions(self.max_sessions)
    }

    /// Checks the files that the flags name.
    ///
    /// # Errors
    /// A sentence about the first file that cannot be used, or about the flags that are missing.
    pub(crate) fn check_files(&self) -> anyhow::Result<()> {
        self.hosting.check_files()?;
        self.access_log.as_deref().map_or(Ok(()), AccessLog::check)?;
        let address = self.hosting.expected_address();
        BearerAccess::new(&self.access, &self.hosting, address).map(drop)
    }
}
