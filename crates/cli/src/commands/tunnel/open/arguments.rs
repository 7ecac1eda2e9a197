//! The arguments of `sockeye tunnel open`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::forward::{Address, Forward, parse_listen};
use crate::client::{ClientArguments, Failure};
use crate::units;

/// Open a tunnel to a server, in the letters of ssh
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye tunnel open https://example.com/tunnel -L 2222:10.0.0.5:22
  sockeye tunnel open https://example.com/tunnel -D 1080
  sockeye tunnel open https://example.com/tunnel -R 127.0.0.1:9000:localhost:8080
  sockeye tunnel open https://example.com/tunnel --udp 5353:10.0.0.2:53
  ssh -o ProxyCommand='sockeye tunnel open https://example.com/tunnel -W %h:%p' host

[BIND:]PORT is an address of this machine to listen on, 127.0.0.1 unless BIND is given; an \
absolute path is a Unix socket. IPv6 addresses are in brackets. Names of targets are resolved by \
the server.

When the network fails or a proxy restarts, the connections wait for it, for up to the server's \
--session-expiry. The token is that of --token-file or of the variable SOCKEYE_TOKEN.

Exit codes:
  0    stopped, or the connection of -W has ended
  1    other errors, such as an address that is taken or a target that is not allowed
  2    wrong arguments
  3    the host of the server was not found
  4    no connection to the server
  5    the TLS handshake failed
  6    the server refused the tunnel
  7    the server broke the protocol
  8    the connection of -W was reset, or the session ended
  10   --connect-timeout expired
  130  Ctrl-C before the tunnel was open")]
pub(crate) struct Open {
    /// The URL of the server: ws, wss, http or https
    #[arg(value_name = "URL")]
    pub(super) url: String,

    /// Forward connections here to a target there (repeatable)
    #[arg(short = 'L', long, value_name = "[BIND:]PORT:HOST:PORT", help_heading = "Forwards")]
    pub(super) local: Vec<Forward>,

    /// Forward connections there to a target here (repeatable); the server needs --allow-bind
    #[arg(short = 'R', long, value_name = "[BIND:]PORT:HOST:PORT", help_heading = "Forwards")]
    pub(super) remote: Vec<Forward>,

    /// Serve a SOCKS5 and HTTP proxy, whose connections the server makes (repeatable)
    #[arg(short = 'D', long, value_name = "[BIND:]PORT", help_heading = "Forwards")]
    #[arg(value_parser = parse_listen)]
    pub(super) dynamic: Vec<Address>,

    /// Forward UDP here to a target there (repeatable)
    #[arg(long, value_name = "[BIND:]PORT:HOST:PORT", help_heading = "Forwards")]
    pub(super) udp: Vec<Forward>,

    /// Join standard input and output to a target there, and end with it
    #[arg(short = 'W', long, value_name = "HOST:PORT", help_heading = "Forwards")]
    #[arg(conflicts_with_all = ["local", "remote", "dynamic", "udp"])]
    pub(super) stdio: Option<Address>,

    /// Require a user of this file from clients of -D: user:password in a line each
    #[arg(long, value_name = "FILE", requires = "dynamic", help_heading = "Forwards")]
    pub(super) proxy_user_file: Option<PathBuf>,

    /// Let other machines use -D without a password, where BIND is not a loopback address
    #[arg(long, requires = "dynamic", conflicts_with = "proxy_user_file")]
    #[arg(help_heading = "Forwards")]
    pub(super) proxy_no_auth: bool,

    /// Present the first token of this file to the server
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub(super) token_file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) client: ClientArguments,

    /// Maximum number of connections of -R at once; further ones wait on the server
    #[arg(long, value_name = "NUMBER", default_value = "256", help_heading = "Limits")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) max_streams: u32,

    /// Forget a sender of --udp after this time without a datagram, or twice that
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(super) udp_idle: Duration,

    /// Data on the way to and from the server: the speed is at most this in one round trip
    #[arg(long, value_name = "SIZE", default_value = "4MiB", help_heading = "Limits")]
    #[arg(value_parser = super::super::buffer)]
    pub(super) buffer: u32,
}

impl Open {
    /// Checks what the flags say together.
    ///
    /// # Errors
    /// A usage failure.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.local.is_empty()
            && self.remote.is_empty()
            && self.dynamic.is_empty()
            && self.udp.is_empty()
            && self.stdio.is_none()
        {
            return Err(Failure::usage("nothing to forward; add -L, -R, -D, --udp or -W"));
        }
        if self.udp.iter().any(|forward| forward.listen.is_path() || forward.target.is_path()) {
            return Err(Failure::usage("--udp expects ports, not the path of a Unix socket"));
        }
        let open_proxy = self.dynamic.iter().find(|address| !address.is_loopback());
        match open_proxy {
            Some(address) if self.proxy_user_file.is_none() && !self.proxy_no_auth => {
                Err(Failure::usage(format!(
                    "other machines can reach the proxy at {address}; add --proxy-user-file to \
                     require a password, or --proxy-no-auth to let anybody use it"
                )))
            }
            _ => Ok(()),
        }
    }
}
