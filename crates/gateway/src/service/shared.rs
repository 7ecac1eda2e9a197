//! The state that the clones of a gateway share.

use std::sync::{Arc, PoisonError, RwLock};

use super::inner::Inner;
use super::lifecycle::Lifecycle;
use super::tunnel_sessions::TunnelSessions;

/// The state of a gateway. WebSockets hold it, and begin each of their calls with the current
/// settings.
pub(super) struct Shared {
    /// Replaced by a reload.
    current: RwLock<Arc<Inner>>,
    lifecycle: Arc<Lifecycle>,
    /// Those that outlive their WebSocket.
    tunnel_sessions: TunnelSessions,
}

impl Shared {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let lifecycle = Arc::clone(&inner.lifecycle);
        Self { current: RwLock::new(inner), lifecycle, tunnel_sessions: TunnelSessions::new() }
    }

    /// Returns the settings and the methods with which new calls begin.
    pub(super) fn current(&self) -> Arc<Inner> {
        // The value is replaced in one step.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings and the methods with which new calls begin.
    pub(super) fn replace(&self, inner: Arc<Inner>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = inner;
    }

    pub(super) fn lifecycle(&self) -> &Arc<Lifecycle> {
        &self.lifecycle
    }

    pub(super) const fn tunnel_sessions(&self) -> &TunnelSessions {
        &self.tunnel_sessions
    }

    /// Waits until the gateway drains.
    pub(super) async fn draining(&self) {
        self.lifecycle.draining().await;
    }
}
