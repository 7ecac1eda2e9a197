//! What both sides agreed on.

/// What client and server agreed on in the opening handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol, if one was chosen.
    pub subprotocol: Option<String>,
    /// The extensions that are on, as the answer lists them.
    pub extensions: Option<String>,
    /// The local configuration of permessage-deflate and the agreed parameters, if it is on.
    #[cfg(feature = "deflate")]
    pub deflate: Option<(crate::deflate::Deflate, crate::deflate::Parameters)>,
}
