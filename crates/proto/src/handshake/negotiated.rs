//! The result of an opening handshake.

/// The subprotocol and extensions that client and server agreed on in the opening handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol, if one was chosen.
    pub subprotocol: Option<String>,
    /// The enabled extensions, as the answer lists them.
    pub extensions: Option<String>,
    /// The local configuration of permessage-deflate and the agreed parameters, if enabled.
    #[cfg(feature = "deflate")]
    pub deflate: Option<(crate::deflate::Deflate, crate::deflate::Parameters)>,
}
