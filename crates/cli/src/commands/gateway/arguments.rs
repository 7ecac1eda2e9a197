//! The arguments of `sockeye gateway`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sockeye_gateway::metadata::NamePattern;

use super::upstream_argument::UpstreamArgument;
use crate::host::Hosting;
use crate::units;

/// Serve any gRPC service to browsers and scripts: JSON, gRPC-Web, Connect, WebSockets and gRPC on
/// one port
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "\
Examples:
  sockeye gateway --demo
  sockeye gateway --upstream http://127.0.0.1:50051
  sockeye gateway --upstream http://books:50051 --upstream shop.v1.Cart=https://cart.internal
  sockeye gateway --config gateway.toml

Paths:
  /package.Service/Method  calls, in the protocol that their content type names
  /console/                a page to make calls with, on loopback or with --console
  /openapi.json            the interface as OpenAPI 3.1, on loopback or with --openapi
  /healthz                 answers ok
  /readyz                  answers ok while calls can be made
  /metrics                 metrics for Prometheus, with --metrics
  all others               the HTTP rules (google.api.http) of the services, and of --rules

Each flag is also a key of the file of --config, `max-message = \"1MiB\"`, and a variable of the \
environment, SOCKEYE_MAX_MESSAGE=1MiB. The command line takes precedence over the environment, and \
the environment over the file. docs/gateway-config.md has all keys.

On loopback, without --allow-host and --trust-proxy, anybody may make calls. Elsewhere the gateway \
does not start until --auth-secret-file, --auth-jwks-file or --no-auth says who may.

SIGHUP reloads the file, the rules, the keys and the certificates, and opens the access log anew; \
calls in progress go on. Ctrl-C and SIGTERM let them end, at most for --shutdown-timeout.")]
pub(crate) struct GatewayArguments {
    #[command(flatten)]
    pub(crate) hosting: Hosting,

    /// Serve a library of books with an upstream of its own, to try the gateway on
    #[arg(long)]
    pub(crate) demo: bool,

    /// gRPC server to call: http://HOST:PORT, https://HOST:PORT or unix:PATH (repeatable). Its
    /// services are learned by reflection. SERVICE=URL names one service instead, and URL,URL
    /// shares the calls among servers of the same services
    #[arg(long, value_name = "[SERVICE=]URL", help_heading = "Upstreams")]
    pub(crate) upstream: Vec<UpstreamArgument>,

    /// Read the services from this file, of `protoc --descriptor_set_out --include_imports` or `buf
    /// build`, instead of asking the upstreams
    #[arg(long, value_name = "FILE", help_heading = "Upstreams")]
    pub(crate) descriptor_set: Option<PathBuf>,

    /// Check upstreams with https by the certificates in this file (PEM) instead of those of public
    /// authorities
    #[arg(long, value_name = "FILE", help_heading = "Upstreams")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// Present this certificate chain (PEM) to upstreams that ask for one
    #[arg(long, value_name = "FILE", requires = "upstream_key", help_heading = "Upstreams")]
    pub(crate) upstream_cert: Option<PathBuf>,

    /// Private key of that certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "upstream_cert", help_heading = "Upstreams")]
    pub(crate) upstream_key: Option<PathBuf>,

    /// Ask each address of the upstreams for its health (grpc.health.v1) every 10 seconds, and call
    /// only those that are healthy
    #[arg(long, help_heading = "Upstreams")]
    pub(crate) health_check: bool,

    /// Take HTTP rules from this TOML file too; they precede those of the services
    #[arg(long, value_name = "FILE", help_heading = "HTTP")]
    pub(crate) rules: Option<PathBuf>,

    /// Take a path without a route as if it had no slash at its end
    #[arg(long, help_heading = "HTTP")]
    pub(crate) ignore_trailing_slash: bool,

    /// Take POST with application/x-www-form-urlencoded as a GET with that query, as grpc-gateway
    /// does
    #[arg(long, help_heading = "HTTP")]
    pub(crate) form_posts: bool,

    /// Send streams as a JSON array, not as lines, to clients that ask for neither lines nor events
    #[arg(long, help_heading = "HTTP")]
    pub(crate) array_streams: bool,

    /// Write fields by their names in the definitions, such as `page_size`, not `pageSize`
    #[arg(long, help_heading = "HTTP")]
    pub(crate) proto_names: bool,

    /// Write enum values as numbers, not as names
    #[arg(long, help_heading = "HTTP")]
    pub(crate) enum_numbers: bool,

    /// Leave out fields that are not set, instead of writing their defaults
    #[arg(long, help_heading = "HTTP")]
    pub(crate) omit_defaults: bool,

    /// Refuse unknown fields in JSON, instead of ignoring them
    #[arg(long, help_heading = "HTTP")]
    pub(crate) strict_json: bool,

    /// Compress answers for clients that accept gzip
    #[arg(long, help_heading = "HTTP")]
    pub(crate) compress: bool,

    /// Let WebSockets at this path carry HTTP/2, for gRPC clients in browsers
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "HTTP")]
    pub(crate) tunnel_path: Option<String>,

    /// Let this many tunnels at most outlive their WebSocket, for 120 s each. Default: none
    #[arg(long, value_name = "NUMBER", requires = "tunnel_path", help_heading = "HTTP")]
    pub(crate) tunnel_sessions: Option<usize>,

    /// Serve the page at /console/. Default: only on loopback, while nothing says that others use
    /// the gateway
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", help_heading = "HTTP")]
    pub(crate) console: Option<bool>,

    /// Serve /openapi.json. Default: as --console
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", help_heading = "HTTP")]
    pub(crate) openapi: Option<bool>,

    /// Pass this request header on as metadata, or those that begin with it: x-tenant, x-app-*
    /// (repeatable). It is for JSON over HTTP; other protocols pass all headers
    #[arg(long, value_name = "PATTERN", help_heading = "Metadata")]
    pub(crate) allow_metadata: Vec<NamePattern>,

    /// Never pass this header on, in no protocol and no direction (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Metadata")]
    pub(crate) deny_metadata: Vec<NamePattern>,

    /// Pass this response metadata on to clients of JSON over HTTP (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Metadata")]
    pub(crate) expose_metadata: Vec<NamePattern>,

    /// Map headers as grpc-gateway does. Clients, and any page that may call, then choose the
    /// metadata by Grpc-Metadata-*
    #[arg(long, help_heading = "Metadata")]
    pub(crate) grpc_gateway_headers: bool,

    /// Take calls with a token (JWT) that is signed with the secret in this file (HS256, HS384,
    /// HS512); its `sub` becomes the metadata x-auth-subject
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    #[arg(conflicts_with_all = ["auth_jwks_file", "no_auth"])]
    pub(crate) auth_secret_file: Option<PathBuf>,

    /// Take calls with a token (JWT) that is signed with a key of this JSON Web Key Set
    #[arg(long, value_name = "FILE", conflicts_with = "no_auth", help_heading = "Access")]
    pub(crate) auth_jwks_file: Option<PathBuf>,

    /// Take only tokens of this issuer (`iss`)
    #[arg(long, value_name = "ISSUER", help_heading = "Access")]
    pub(crate) auth_issuer: Option<String>,

    /// Take only tokens that are meant for this audience (`aud`)
    #[arg(long, value_name = "AUDIENCE", help_heading = "Access")]
    pub(crate) auth_audience: Option<String>,

    /// Let anybody make calls who can reach the port
    #[arg(long, help_heading = "Access")]
    pub(crate) no_auth: bool,

    /// Take the token of a WebSocket with JSON from this cookie. Pages of --allow-origin then call
    /// with the rights of their visitors
    #[arg(long, value_name = "NAME", help_heading = "Access")]
    pub(crate) token_cookie: Option<String>,

    /// Let pages of this origin make calls besides the gateway's own, such as
    /// https://*.example.com (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Access")]
    #[arg(value_parser = units::origin_pattern)]
    pub(crate) allow_origin: Vec<String>,

    /// Maximum number of calls in a second from one address; further ones fail as
    /// `resource_exhausted`
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(help_heading = "Access")]
    pub(crate) rate_limit: Option<u32>,

    /// Number of calls that may come at once within the rate limit. Default: one second of calls
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(requires = "rate_limit", help_heading = "Access")]
    pub(crate) rate_burst: Option<u32>,

    /// Maximum length of a message, in both directions; a longer one fails its call as
    /// `resource_exhausted`
    #[arg(long, value_name = "SIZE", default_value = "4MiB", help_heading = "Limits")]
    #[arg(value_parser = message_length)]
    pub(crate) max_message: u32,

    /// Maximum number of calls in progress; further ones fail as unavailable
    #[arg(long, value_name = "NUMBER", default_value = "10000", help_heading = "Limits")]
    #[arg(value_parser = units::connections)]
    pub(crate) max_calls: usize,

    /// Memory for messages of all calls: requests that have not arrived whole, and answers that
    /// clients do not read. When it is exhausted, the call that holds the most fails
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(crate) memory_budget: usize,

    /// Timeout of calls that ask for none. Default: none
    #[arg(long, value_name = "DURATION", value_parser = units::duration, help_heading = "Limits")]
    pub(crate) timeout: Option<Duration>,

    /// Maximum of the timeouts that clients ask for, and of calls without one. Default: none
    #[arg(long, value_name = "DURATION", value_parser = units::duration, help_heading = "Limits")]
    pub(crate) max_timeout: Option<Duration>,

    /// Timeout of the body of a request of one message; streams of requests have none
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) body_timeout: Duration,

    /// Silence after which the gateway drops a WebSocket; pings keep a responsive client connected
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,

    /// Append a line of JSON for each call to this file; - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Logging")]
    pub(crate) access_log: Option<PathBuf>,
}

/// Parses the maximum length of a message.
fn message_length(text: &str) -> Result<u32, String> {
    u32::try_from(units::size(text)?).map_err(|_| "gRPC has no message of 4 GiB or more".to_owned())
}

/// Parses the path of a URL.
fn path(text: &str) -> Result<String, String> {
    let is_path = text.len() > 1 && text.starts_with('/') && !text.contains(['?', '#', ' ']);
    if is_path { Ok(text.to_owned()) } else { Err("expected a path such as /grpc".to_owned()) }
}
