use std::sync::Arc;

use super::registry::Registry;

/// A guard that keeps [`Drain::finish`](super::Drain::finish) waiting until the guard is dropped:
/// see [`Drain::guard`](super::Drain::guard).
#[derive(Debug)]
#[must_use = "the drain waits only while the guard exists"]
pub struct DrainGuard {
    registry: Arc<Registry>,
}

impl DrainGuard {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        registry.add_guard();
        Self { registry }
    }
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        self.registry.remove_guard();
    }
}
