//! Upstreams as sources of services.

use std::sync::Arc;

use super::{RouteConflict, Schema};
use crate::reflection::FileSet;
use crate::upstream::Upstream;

/// An upstream, and where its descriptors come from.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) upstream: Upstream,
    pub(super) descriptors: Descriptors,
    pub(super) services: Option<Vec<String>>,
}

/// The origin of an upstream's descriptors.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Descriptors {
    /// Server reflection, asked again and again.
    #[default]
    Reflection,
    /// A set that does not change.
    Fixed(FileSet),
}

impl Source {
    /// Creates a source that learns its services by reflection and offers all of them.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream, descriptors: Descriptors::default(), services: None }
    }

    /// Sets where the descriptors come from. Default: [`Descriptors::Reflection`].
    pub fn descriptors(self, descriptors: Descriptors) -> Self {
        Self { descriptors, ..self }
    }

    /// Sets the services that the upstream serves, by full name. They take precedence over the same
    /// services of other sources. Default: all that its descriptors offer.
    pub fn services(self, services: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { services: Some(services.into_iter().map(Into::into).collect()), ..self }
    }
}

/// The state of a source, for operators.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// The upstream.
    pub upstream: Upstream,
    /// The types in use, if any.
    pub schema: Option<Arc<Schema>>,
    /// The reason why the last attempt to learn the services failed; `None` after a success. The
    /// types of an earlier attempt stay in use.
    pub problem: Option<String>,
    /// The HTTP rules of the upstream that are left out, because others lead the same requests to
    /// other methods.
    pub conflicts: Vec<RouteConflict>,
}
