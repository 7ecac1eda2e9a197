use std::error::Error;
use std::fmt;

use http::HeaderName;

/// The maximum number of values. Chosen: ten times the default limit of hyper for HTTP/1.1.
pub(super) const MAX_VALUES: usize = 1024;

/// A request header that cannot be metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// The value of a header whose name ends with `-bin` is not base64.
    NotBase64 {
        /// The name.
        name: HeaderName,
    },
    /// There are more than 1024 values.
    TooMany,
}

/// A text that is not a [`NamePattern`](super::NamePattern).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The text.
    pub text: Box<str>,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 { name } => write!(f, "the value of the header {name} must be base64"),
            Self::TooMany => {
                write!(f, "the request has more than {MAX_VALUES} values of metadata")
            }
        }
    }
}

impl Error for MetadataError {}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} must be the name of a header, or its beginning and a *", self.text)
    }
}

impl Error for PatternError {}
