//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::units;

/// WebSockets from the command line: sockeye swims both ways.
#[derive(Debug, Parser)]
#[command(
    name = "sockeye",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Run `sockeye serve` and open the address it prints in a browser."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Logging")]
    #[arg(help = "Log each connection, twice (-vv) each step; RUST_LOG decides where it is set")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
}

/// Run a server that echoes messages, with a page to try it on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye serve
  sockeye serve --listen 0.0.0.0:8443 --self-signed
  sockeye serve --tls-cert cert.pem --tls-key key.pem --allow-origin https://app.example.com

Paths:
  /         the page: echo, round-trip times, files
  /echo     the WebSocket that sends every message back
  /demo     another page: gRPC in the browser
  /grpc     the WebSocket that carries gRPC
  /healthz  answers ok
  /metrics  metrics for Prometheus, with --metrics

With TLS, pages and WebSockets come over HTTP/2 or HTTP/1.1, as the client asks.

Ctrl-C closes every connection with 1001 (Going Away) and exits; a second one exits at once.")]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 lets the system pick a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = units::address)]
    pub(crate) listen: String,

    /// Serve metrics of all connections at /metrics, for Prometheus, to whoever can reach the port
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

    /// Accept requests for this host too, such as app.example.com or *.example.com (repeatable).
    /// Accepted without it are localhost, the address listened on, and the names in the certificate
    /// of --tls-cert; a request for another host is refused with 421
    #[arg(long, value_name = "PATTERN", help_heading = "Limits")]
    #[arg(value_parser = units::host_pattern)]
    pub(crate) allow_host: Vec<String>,

    /// Accept WebSockets from pages of this origin besides the server's own, such as
    /// https://*.example.com (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Limits")]
    #[arg(value_parser = units::origin_pattern)]
    pub(crate) allow_origin: Vec<String>,

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

    /// Maximum length of a message from a client; a longer one closes its connection with 1009
    #[arg(long, value_name = "SIZE", default_value = "16MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(crate) max_message: usize,

    /// Memory for unfinished data of all connections: incomplete messages, and output that clients
    /// do not read. When it is exhausted, the connection that holds the most is closed with 1013
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(crate) memory_budget: usize,

    /// Maximum number of simultaneous connections, each of HTTP/2 with up to 100 WebSockets;
    /// further ones wait
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

    /// Silence after which the server drops a WebSocket; pings keep a responsive client connected
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,

    /// Maximum wait for the closing handshakes when the server stops; then the remaining
    /// connections are dropped
    #[arg(long, value_name = "DURATION", default_value = "5s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) shutdown_timeout: Duration,
}

/// The headers in which proxies report a client's address.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ClientHeader {
    /// X-Forwarded-For, as most proxies write it
    XForwardedFor,
    /// Forwarded (RFC 7239)
    Forwarded,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }
}
