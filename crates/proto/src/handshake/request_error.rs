//! Errors of a client's request, found before anything is sent.

use std::fmt;

use http::HeaderName;

use super::{CredentialsError, SubprotocolError};
use crate::extension::ExtensionError;

/// A request of the caller that cannot be made. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The URL is malformed.
    MalformedUrl {
        /// The URL, cut after 64 bytes.
        url: String,
    },
    /// The URL's scheme is neither `ws` nor `wss`.
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The URL has no host.
    MissingHost,
    /// The URL has a fragment (RFC 6455 section 3).
    Fragment,
    /// The URL has a user name or a password, and the caller did not ask to parse them.
    UserInfo,
    /// The URL's host has characters beyond ASCII, and no ASCII form (RFC 5891). Without the
    /// feature `idna` no such host has one.
    InvalidHost {
        /// The host, escaped and cut after 64 characters.
        host: String,
    },
    /// HTTP cannot carry the credentials.
    Credentials(CredentialsError),
    /// The header's name is not a token.
    InvalidHeaderName {
        /// The name.
        name: String,
    },
    /// The header's value has bytes that no value can have. The value is not shown, because it may
    /// be a secret.
    InvalidHeaderValue {
        /// The header's name.
        name: HeaderName,
    },
    /// The handshake sets the header itself, or the header would announce content.
    ReservedHeader {
        /// The header's name.
        name: HeaderName,
    },
    /// A second Host header.
    DuplicateHost,
    /// The subprotocol cannot be requested, either at all or together with those added before it.
    Subprotocol(SubprotocolError),
    /// The extension cannot be offered.
    Extension(ExtensionError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedUrl { url } => {
                write!(f, "`{url}` is not a URL such as `wss://example.com/path`")
            }
            Self::Scheme { scheme } => {
                write!(f, "the URL's scheme must be `ws` or `wss`, not `{scheme}`")
            }
            Self::MissingHost => f.write_str("the URL has no host"),
            Self::Fragment => f.write_str("a WebSocket URL must not have a fragment (`#`)"),
            Self::UserInfo => f.write_str(
                "a WebSocket URL must not have a user name or password: \
                 send an Authorization header",
            ),
            Self::InvalidHost { host } => {
                write!(f, "the URL's host `{host}` cannot be converted to ASCII")
            }
            Self::Credentials(reason) => write!(f, "the credentials cannot be sent: {reason}"),
            Self::InvalidHeaderName { name } => {
                write!(f, "a header's name must be a token, not `{}`", name.escape_debug())
            }
            Self::InvalidHeaderValue { name } => {
                write!(f, "the value of the header `{name}` has characters that are not allowed")
            }
            Self::ReservedHeader { name } => {
                write!(f, "the header `{name}` is set by the handshake and cannot be added")
            }
            Self::DuplicateHost => f.write_str("the Host header was added twice"),
            Self::Subprotocol(reason) => {
                write!(f, "the subprotocol cannot be requested: {reason}")
            }
            Self::Extension(reason) => write!(f, "the extension cannot be offered: {reason}"),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<CredentialsError> for RequestError {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error)
    }
}

impl From<SubprotocolError> for RequestError {
    fn from(error: SubprotocolError) -> Self {
        Self::Subprotocol(error)
    }
}
