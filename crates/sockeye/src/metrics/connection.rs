use std::mem;

use sockeye_proto::{CloseCode, CloseFrame, Role};

#[cfg(unix)]
use super::recorded::PANIC;
use super::recorded::RoleMetrics;
use crate::Error;

/// The metrics of one connection, which counts as open from its opening handshake to its end, or
/// until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionMetrics {
    role_metrics: RoleMetrics,
    open: bool,
    /// Set once a close frame was counted: a connection sends at most one.
    close_sent: bool,
}

impl ConnectionMetrics {
    pub(crate) fn begin(role: Role) -> Self {
        let role_metrics = RoleMetrics::of(role);
        role_metrics.count_opened();
        Self { role_metrics, open: true, close_sent: false }
    }

    /// Creates the metrics of a connection that was already counted as ended.
    pub(crate) fn ended(role: Role) -> Self {
        Self { role_metrics: RoleMetrics::of(role), open: false, close_sent: true }
    }

    /// Returns the metrics of the connection's role.
    #[inline]
    pub(crate) const fn role_metrics(&self) -> RoleMetrics {
        self.role_metrics
    }

    pub(crate) fn on_close_sent(&mut self, code: Option<CloseCode>) {
        if !mem::replace(&mut self.close_sent, true) {
            self.role_metrics.count_close_sent(code);
        }
    }

    /// Leaves the close frame to a different sender, which counts it.
    pub(crate) const fn skip_close(&mut self) {
        self.close_sent = true;
    }

    /// Counts the peer's close frame, and its answer with the same code unless a close frame was
    /// sent before.
    pub(crate) fn on_close_received(&mut self, frame: Option<&CloseFrame>) {
        self.on_unanswered_close_received(frame);
        self.on_close_sent(frame.map(|frame| frame.code));
    }

    /// Counts the peer's close frame, which is answered later.
    pub(crate) fn on_unanswered_close_received(&self, frame: Option<&CloseFrame>) {
        self.role_metrics.count_close_received(frame.map(|frame| frame.code));
    }

    pub(crate) fn on_failed(&mut self, error: &Error) {
        match error {
            Error::ClosedMidMessage(frame) => self.on_close_received(frame.as_ref()),
            Error::Protocol(error) => self.on_close_sent(Some(error.close_code())),
            // The program aborted the connection.
            Error::Closed(_) => return,
            _ => {}
        }
        self.role_metrics.count_failed(error);
    }

    /// Counts a panic of a callback, and the close frame that reports it.
    #[cfg(unix)]
    pub(crate) fn on_panicked(&mut self) {
        self.on_close_sent(Some(CloseCode::INTERNAL_ERROR));
        self.role_metrics.count_failed_by(PANIC);
    }

    /// Counts the connection as ended.
    pub(crate) fn end(&mut self) {
        if mem::take(&mut self.open) {
            self.role_metrics.count_ended();
        }
    }
}

impl Drop for ConnectionMetrics {
    fn drop(&mut self) {
        self.end();
    }
}
