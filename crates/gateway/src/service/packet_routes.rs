//! The table of the packets on WebSockets.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use http::uri::PathAndQuery;

/// The type of packets with a status.
pub(super) const STATUS: u32 = 0;

/// The methods that packets on WebSockets call, by the type of the packet. The content of a packet
/// is a message in protobuf's wire format.
///
/// A binary message has one packet or several. Each packet is a call of its own: of a unary method,
/// or of one that responds with a stream. Responses have the type and the `who` of the request.
/// Packets of type 0 end a call: those with a `google.rpc.Status` end it as failed, and an empty
/// one is the end of a stream.
///
/// Metadata are those of the handshake, by the rules of JSON over HTTP.
///
/// ```
/// use sockeye_gateway::{Gateway, PacketRoutes};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let packets = PacketRoutes::new("/packets").method(7, "chat.Rooms/Join")?;
/// let gateway = Gateway::builder().packets(packets);
/// # let _ = gateway;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PacketRoutes {
    path: Box<str>,
    methods: HashMap<u32, PathAndQuery>,
}

/// The reason why a type of packets cannot call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketRouteError {
    /// The type is 0, which is that of a status.
    Reserved,
    /// The type has a method already.
    Duplicate {
        /// The type.
        kind: u32,
    },
    /// The method is not `package.Service/Method`.
    Method,
}

impl PacketRoutes {
    /// Creates an empty table for WebSockets on a path.
    pub fn new(path: impl Into<Box<str>>) -> Self {
        Self { path: path.into(), methods: HashMap::new() }
    }

    /// Adds a method, `package.Service/Method`, for packets of a type.
    ///
    /// # Errors
    /// [`PacketRouteError`].
    pub fn method(mut self, kind: u32, method: &str) -> Result<Self, PacketRouteError> {
        if kind == STATUS {
            return Err(PacketRouteError::Reserved);
        }
        if self.methods.contains_key(&kind) {
            return Err(PacketRouteError::Duplicate { kind });
        }
        let path = format!("/{}", method.trim_start_matches('/'));
        let path = PathAndQuery::try_from(path).map_err(|_| PacketRouteError::Method)?;
        if path.query().is_some() || path.path().split('/').count() != 3 {
            return Err(PacketRouteError::Method);
        }
        self.methods.insert(kind, path);
        Ok(self)
    }

    /// Returns the path of the WebSockets.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the path of the method for packets of a type.
    pub(super) fn method_of(&self, kind: u32) -> Option<&PathAndQuery> {
        self.methods.get(&kind)
    }
}

impl fmt::Display for PacketRouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("packets of type 0 have a status, and no method"),
            Self::Duplicate { kind } => write!(f, "packets of type {kind} have a method already"),
            Self::Method => f.write_str("a method of packets must be package.Service/Method"),
        }
    }
}

impl Error for PacketRouteError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_type_has_one_method() {
        let routes = PacketRoutes::new("/ws").method(1, "a.S/M").unwrap();
        let error = |kind, method| routes.clone().method(kind, method).unwrap_err();
        assert_eq!(error(0, "a.S/M"), PacketRouteError::Reserved);
        assert_eq!(error(1, "a.S/N"), PacketRouteError::Duplicate { kind: 1 });
        for method in ["", "M", "a.S/M/N", "a.S/M?q"] {
            assert_eq!(error(2, method), PacketRouteError::Method);
        }
        assert_eq!(routes.methods[&1].path(), "/a.S/M");
    }
}
