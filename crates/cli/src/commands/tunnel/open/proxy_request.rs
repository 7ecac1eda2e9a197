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

/// A request that was answered, or that has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest(pub(super) &'static str);

impl From<std::io::Error> for BadRequest {
    fn from(_: std::io::Error) -> Self {
        Self("the connection ended within the request")
    }
}
