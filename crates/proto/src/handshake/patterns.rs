use std::str::FromStr;

use super::origin::PatternError;

/// What a policy allows: everything, or what fits one of its patterns.
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

    /// Adds a pattern, of which `*` allows everything.
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

    /// Whether one of the patterns fits.
    pub(super) fn fit(&self, fits: impl Fn(&P) -> bool) -> bool {
        self.list.iter().any(fits)
    }
}
