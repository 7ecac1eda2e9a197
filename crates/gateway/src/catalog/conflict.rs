//! Routes that several HTTP rules claim.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::MethodEntry;
use crate::route::DuplicateRoute;

/// An HTTP rule that is left out, because another one leads the same requests to a method.
///
/// A rule of a file that replaces an annotation is no conflict.
#[derive(Clone, Debug)]
pub struct RouteConflict {
    method: Arc<MethodEntry>,
    kept: Arc<MethodEntry>,
    route: DuplicateRoute,
}

/// The conflicts between the HTTP rules of a gateway, at least one.
#[derive(Clone, Debug)]
pub struct RouteConflicts(Vec<RouteConflict>);

impl RouteConflict {
    pub(super) fn new(
        method: &Arc<MethodEntry>,
        kept: &Arc<MethodEntry>,
        route: DuplicateRoute,
    ) -> Self {
        Self { method: Arc::clone(method), kept: Arc::clone(kept), route }
    }

    /// Returns the method whose rule is left out.
    pub fn method(&self) -> &Arc<MethodEntry> {
        &self.method
    }

    /// Returns the method that the requests lead to. It may be the same one.
    pub fn kept(&self) -> &Arc<MethodEntry> {
        &self.kept
    }

    /// Returns the two routes.
    pub fn route(&self) -> &DuplicateRoute {
        &self.route
    }
}

impl RouteConflicts {
    /// Returns an error if there are conflicts.
    pub(crate) fn check(conflicts: &[RouteConflict]) -> Result<(), Self> {
        if conflicts.is_empty() { Ok(()) } else { Err(Self(conflicts.to_vec())) }
    }

    /// Returns the conflicts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RouteConflict> {
        self.0.iter()
    }
}

impl fmt::Display for RouteConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, kept, route } = self;
        write!(f, "the HTTP rule of {}: {route} of {}", method.path(), kept.path())
    }
}

impl fmt::Display for RouteConflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, conflict) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{conflict}")?;
        }
        Ok(())
    }
}

impl Error for RouteConflicts {}
