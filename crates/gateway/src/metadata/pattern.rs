use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use super::PatternError;

/// A pattern of header names: a name, or the beginning of names and `*`. Case is ignored.
///
/// ```
/// use http::HeaderName;
/// use sockeye_gateway::metadata::NamePattern;
///
/// let pattern: NamePattern = "X-Internal-*".parse()?;
/// assert!(pattern.matches(&HeaderName::from_static("x-internal-user")));
/// assert!(!pattern.matches(&HeaderName::from_static("x-internal")));
/// # Ok::<_, sockeye_gateway::metadata::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    /// The name or its beginning, in lowercase.
    text: Box<str>,
    is_prefix: bool,
}

impl NamePattern {
    /// Reports whether a name has the pattern.
    pub fn matches(&self, name: &HeaderName) -> bool {
        if self.is_prefix { name.as_str().starts_with(&*self.text) } else { *name == *self.text }
    }
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        let is_valid = name.is_empty() && is_prefix || HeaderName::from_str(name).is_ok();
        if !is_valid || name.contains('*') {
            return Err(PatternError { text: text.into() });
        }
        Ok(Self { text: name.to_ascii_lowercase().into(), is_prefix })
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}
