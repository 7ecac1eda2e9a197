use std::fmt;

use crate::excerpt::excerpt;

/// A pattern that [`OriginPolicy::allow`](super::OriginPolicy::allow) or
/// [`HostPolicy::allow`](super::HostPolicy::allow) refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: PatternReason,
}

impl PatternError {
    pub(super) fn new(pattern: &str, reason: PatternReason) -> Self {
        Self { pattern: excerpt(pattern), reason }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatternReason {
    Scheme,
    Host,
    Wildcard,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            PatternReason::Scheme => "the scheme is invalid",
            PatternReason::Host => "expected a host with an optional port and nothing after it",
            PatternReason::Wildcard => "`*` can only be the whole first label, or the port",
        };
        write!(f, "pattern `{}`: {reason}", self.pattern)
    }
}

impl std::error::Error for PatternError {}
