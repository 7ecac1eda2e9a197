use super::{MethodKind, Template};

/// A route of a [`Router`](super::Router).
#[derive(Clone, Debug)]
pub struct Route<T> {
    pub(super) kind: MethodKind,
    pub(super) template: Template,
    pub(super) value: T,
}

impl<T> Route<T> {
    /// Returns the methods of the route.
    pub fn kind(&self) -> &MethodKind {
        &self.kind
    }

    /// Returns the template of the route.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Returns the value that was inserted.
    pub fn value(&self) -> &T {
        &self.value
    }
}
