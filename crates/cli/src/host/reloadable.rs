//! Values that a reload replaces while connections use them.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that can be replaced. Clones share it.
#[derive(Debug)]
pub(crate) struct Reloadable<T>(Arc<RwLock<T>>);

impl<T: Clone> Reloadable<T> {
    /// Wraps a value. Its clones should be cheap: every reader takes one.
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }

    /// Returns a clone of the current value.
    pub(crate) fn current(&self) -> T {
        // The value is replaced in one step, so a panic leaves no half of one.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value. Readers keep the clones that they have.
    pub(crate) fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
