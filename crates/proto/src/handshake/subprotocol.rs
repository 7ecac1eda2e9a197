//! Rules of subprotocols, common to clients and servers.

use std::fmt;

use crate::excerpt::excerpt;
use crate::token::is_token;

/// Maximum number of subprotocols in a request. The longest lists in the field have about five; the
/// bound keeps the search for duplicates cheap.
pub const MAX_SUBPROTOCOLS: usize = 64;

/// Checks a subprotocol by itself and against those `before` it in the list.
pub(super) fn check(before: &[impl AsRef<str>], subprotocol: &str) -> Result<(), SubprotocolError> {
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    //# The elements that comprise this value MUST be non-empty strings with
    //# characters in the range U+0021 to U+007E not including
    //# separator characters as defined in [RFC2616] and MUST all be
    //# unique strings.
    if !is_token(subprotocol) {
        return Err(SubprotocolError::NotToken { subprotocol: excerpt(subprotocol) });
    }
    if before.iter().any(|other| other.as_ref() == subprotocol) {
        return Err(SubprotocolError::Duplicate { subprotocol: excerpt(subprotocol) });
    }
    if before.len() >= MAX_SUBPROTOCOLS {
        return Err(SubprotocolError::TooMany { limit: MAX_SUBPROTOCOLS });
    }
    Ok(())
}

/// A list of subprotocols that breaks a rule. Names are escaped, and cut after 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubprotocolError {
    /// A subprotocol is not a token (RFC 6455 section 4.1).
    NotToken {
        /// The subprotocol.
        subprotocol: String,
    },
    /// A subprotocol is listed twice (RFC 6455 section 4.1).
    Duplicate {
        /// The subprotocol.
        subprotocol: String,
    },
    /// More than [`MAX_SUBPROTOCOLS`] subprotocols are listed.
    TooMany {
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for SubprotocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotToken { subprotocol } => {
                write!(f, "a subprotocol must be a token, not `{subprotocol}`")
            }
            Self::Duplicate { subprotocol } => {
                write!(f, "subprotocol `{subprotocol}` is listed twice")
            }
            Self::TooMany { limit } => write!(f, "more than {limit} subprotocols"),
        }
    }
}

impl std::error::Error for SubprotocolError {}
