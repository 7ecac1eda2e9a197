//! The arguments of `sockeye serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::hub::{self, HubArguments};
use crate::host::Hosting;
use crate::host::access_log::AccessLog;
use crate::{runtime, units};

/// Run a server with an echo, chat rooms and gRPC, and pages to try them on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye serve
  sockeye serve --listen 0.0.0.0:8443 --self-signed
  sockeye serve --tls-cert cert.pem --tls-key key.pem --allow-origin https://app.example.com
  sockeye serve --bus redis://127.0.0.1 --api-key-file key.txt

Paths:
  /                      the page: echo, round-trip times, files
  /echo                  the WebSocket that sends every message back
  /chat                  another page: rooms with presence, history and recovery
  /hub                   the WebSocket to the rooms: the protocol sockeye.hub.v1
  /connection/websocket  the same rooms for the clients of centrifuge; Protobuf by the subprotocol
                         centrifuge-protobuf or by ?format=protobuf, otherwise JSON
  /rooms/ROOM/messages   publishes what is posted to a room
  /api/METHOD            the server API, with --api-key-file
  /hub.json              the servers and rooms of the hub
  /demo                  another page: gRPC in the browser
  /grpc                  the WebSocket that carries gRPC
  /healthz               answers ok
  /readyz                answers ok until the server is told to stop
  /metrics               metrics for Prometheus, with --metrics

On loopback, without --allow-host and --trust-proxy, anybody may use the rooms. Elsewhere the hub \
is off until --hub-secret-file, --hub-jwks-file or --no-auth says who may use it.

With TLS, pages and WebSockets come over HTTP/2 or HTTP/1.1, as the client asks.

Each flag is also a key of the file of --config, `max-message = \"1MiB\"`, and a variable of the \
environment, SOCKEYE_MAX_MESSAGE=1MiB. The command line takes precedence over the environment, and \
the environment over the file. docs/operations.md describes them.

SIGHUP reloads the settings and the certificates, and open connections go on. SIGUSR2 starts the \
program anew, without losing a connection that arrives meanwhile, and ends the old process.

Ctrl-C closes every connection with 1001 (Going Away) and exits; with --bus, those to the rooms \
with 1012 (Service Restart), as they return to the other servers. A second one exits at once.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) hosting: Hosting,

    #[command(flatten)]
    pub(crate) hub: HubArguments,

    /// Accept WebSockets, and messages posted to rooms, from pages of this origin besides the
    /// server's own, such as https://*.example.com (repeatable). Such a page can post, but not read
    /// the answer, as the server sends no CORS headers
    #[arg(long, value_name = "PATTERN", help_heading = "Limits")]
    #[arg(value_parser = units::origin_pattern)]
    pub(crate) allow_origin: Vec<String>,

    /// Maximum length of a message from a client; a longer one closes its connection with 1009
    #[arg(long, value_name = "SIZE", default_value = "16MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(crate) max_message: usize,

    /// Memory for unfinished data of all connections: incomplete messages, and output that clients
    /// do not read. When it is exhausted, the connection that holds the most is closed with 1013
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(crate) memory_budget: usize,

    /// Silence after which the server drops a WebSocket; pings keep a responsive client connected
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,

    /// Append a line of JSON to this file when a WebSocket opens, and one when it ends; - for
    /// standard output
    #[arg(long, value_name = "FILE", help_heading = "Logging")]
    pub(crate) access_log: Option<PathBuf>,
}

impl Serve {
    /// Checks the files that the flags name.
    ///
    /// # Errors
    /// A sentence about the first file that cannot be used.
    pub(crate) fn check_files(&self) -> anyhow::Result<()> {
        self.hosting.check_files()?;
        self.access_log.as_deref().map_or(Ok(()), AccessLog::check)?;
        runtime::run(async { hub::check_files(self) })
    }
}
