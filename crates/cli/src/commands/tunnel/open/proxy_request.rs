//! The request of a client of the proxy, in either protocol.

use crate::commands::tunnel::protocol::Code;

/// The service that a client of the proxy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A connection to the target.
    Connect,
    /// A socket for datagrams, of which each names its target.
    Associate,
}

/// What a client of the proxy asks for.
#[derive(Debug)]
pub(super) struct ProxyRequest {
    pub(super) command: Command,
    pub(super) host: String,
    pub(super) port: u16,
    /// Data that the client has sent after its request.
    pub(super) rest: Vec<u8>,
    pub(super) reply: fn(Code) -> Vec<u8>,
}

/// Returns the host without the brackets that clients put around IPv6 addresses: HTTP asks for them,
/// and some clients of SOCKS5 send an address in them as a name.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A request that was answered, or that has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest(pub(super) &'static str);

impl From<std::io::Error> for BadRequest {
    fn from(_: std::io::Error) -> Self {
        Self("the connection ended within the request")
    }
}
