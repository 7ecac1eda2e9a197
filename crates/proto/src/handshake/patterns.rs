use std::str::FromStr;

use super::pattern_error::PatternError;

/// The values that a policy allows: all of them, or those that match one of its patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patterns<P> {
    any: bool,
    list: Vec<P>,
}

impl<P: FromStr<Err = PatternError>> Patterns<P> {
    pub(super) const fn any() -> Self {
        Self { any: true, list: Vec::new() }
    }

    pub(super) const fn none() -> Self {
        Self { any: false, list: Vec::new() }
    }

    /// Adds a pattern. `*` allows everything.
    pub(super) fn allow(mut self, pattern: &str) -> Result<Self, PatternError> {
        if pattern == "*" {
            self.any = true;
        } else {
            self.list.push(pattern.parse()?);
        }
        Ok(self)
    }

    pub(super) const fn allows_any(&self) -> bool {
        self.any
    }

    /// Returns whether `fits` returns `true` for one of the patterns.
    pub(super) fn fit(&self, fits: impl Fn(&P) -> bool) -> bool {
        self.list.iter().any(fits)
    }
}
