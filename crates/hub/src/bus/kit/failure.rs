use std::error::Error;
use std::fmt;

use super::Case;
use crate::bus::BusError;

/// The result of a case.
pub(super) type Checked<T = ()> = Result<T, Found>;

/// A finding of a case that the contract excludes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found(String);

/// A case that a bus does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) case: Case,
    pub(super) found: Found,
}

impl Failure {
    /// Returns the case.
    pub fn case(&self) -> Case {
        self.case
    }
}

/// The cases that a bus does not pass.
#[derive(Clone, PartialEq, Eq)]
pub struct Failures(pub(super) Vec<Failure>);

impl Failures {
    /// Returns the cases, in the order in which they were run.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.0.iter()
    }
}

pub(super) fn broken(found: impl Into<String>) -> Found {
    Found(found.into())
}

/// Checks that two values are equal.
#[allow(clippy::needless_pass_by_value, reason = "most values are made for the comparison")]
pub(super) fn equal<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(broken(format!("{what}: found {found:?}, expected {expected:?}")))
}

/// Checks a condition.
pub(super) fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(broken(otherwise())) }
}

impl From<BusError> for Found {
    fn from(error: BusError) -> Self {
        broken(format!("an operation failed: {error}"))
    }
}

impl From<crate::HubError> for Found {
    fn from(error: crate::HubError) -> Self {
        broken(format!("an operation of a hub failed: {error}"))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.case, self.found)
    }
}

impl Error for Failure {}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bus does not pass {} cases", self.0.len())?;
        self.0.iter().try_for_each(|failure| write!(f, "\n{failure}"))
    }
}

/// Like [`Display`](fmt::Display), for tests that unwrap.
impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failures {}
