//! The arguments about the request, the transport and TLS of commands that open a WebSocket.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::units;

/// The request, the way to the server, and TLS, in the spelling of curl.
#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    /// Send a header (repeatable). Those of the opening handshake are ignored, so that a command
    /// copied from a browser works
    #[arg(short = 'H', long, value_name = "NAME: VALUE", help_heading = "Request")]
    pub(super) header: Vec<String>,

    /// Send cookies, as name=value; name=value
    #[arg(short = 'b', long, value_name = "COOKIES", help_heading = "Request")]
    pub(super) cookie: Option<String>,

    /// Send this User-Agent
    #[arg(short = 'A', long, value_name = "NAME", help_heading = "Request")]
    pub(super) user_agent: Option<String>,

    /// Send a user name and password
    #[arg(short, long, value_name = "USER:PASSWORD", help_heading = "Request")]
    pub(super) user: Option<String>,

    /// Connect through an HTTP or SOCKS5 proxy. Default: the proxy that the environment names
    #[arg(short = 'x', long, value_name = "URL", help_heading = "Transport")]
    pub(super) proxy: Option<String>,

    /// Connect to a Unix socket
    #[arg(long, value_name = "PATH", help_heading = "Transport", conflicts_with = "proxy")]
    pub(crate) unix_socket: Option<PathBuf>,

    /// Begin the connection with a PROXY header (version 1), as load balancers do
    #[arg(long, help_heading = "Transport", conflicts_with = "unix_socket")]
    pub(super) haproxy_protocol: bool,

    /// The client that the PROXY header names. Default: the own address
    #[arg(long, value_name = "ADDRESS", help_heading = "Transport")]
    #[arg(requires = "haproxy_protocol")]
    pub(super) haproxy_clientip: Option<IpAddr>,

    /// Connect to these addresses for a host and port (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDRESS[,ADDRESS]…", help_heading = "Transport")]
    pub(super) resolve: Vec<Resolve>,

    /// Time to open the connection
    #[arg(long = "connect-timeout", value_name = "DURATION", value_parser = units::duration)]
    #[arg(default_value = "20s", help_heading = "Transport")]
    pub(super) opening_timeout: Duration,

    /// Trust the root certificates of a PEM file, in place of the usual ones
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) cacert: Option<PathBuf>,

    /// Certificate for servers that request one, as PEM
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "key")]
    pub(super) cert: Option<PathBuf>,

    /// Private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "cert")]
    pub(super) key: Option<PathBuf>,

    /// Accept any certificate of the server: anybody on the way can read and change the messages
    #[arg(short = 'k', long, help_heading = "TLS", conflicts_with_all = ["cacert", "cert"])]
    pub(super) insecure: bool,
}

/// The addresses of a host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolve {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) addresses: Vec<IpAddr>,
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected HOST:PORT:ADDRESS such as example.com:443:127.0.0.1";
        let mut parts = text.splitn(3, ':');
        let (Some(host), Some(port), Some(addresses)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(EXPECTED.to_owned());
        };
        let port = port.parse().map_err(|_| EXPECTED)?;
        let bare = |address: &str| address.trim_matches(['[', ']']).parse();
        let addresses =
            addresses.split(',').map(bare).collect::<Result<_, _>>().map_err(|_| EXPECTED)?;
        Ok(Self { host: host.to_ascii_lowercase(), port, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolve_takes_several_addresses_of_both_families() {
        let resolve: Resolve = "Example.com:443:127.0.0.1,[::1]".parse().unwrap();
        assert_eq!((resolve.host.as_str(), resolve.port), ("example.com", 443));
        assert_eq!(resolve.addresses.len(), 2);
        for wrong in ["", "a:b:127.0.0.1", "a:1", "a:1:b"] {
            assert!(wrong.parse::<Resolve>().is_err(), "{wrong}");
        }
    }
}
