//! Stand-ins for the metrics without the feature `metrics`: every type is empty, and every call
//! compiles to nothing.

use std::time::Duration;

use http::StatusCode;
use sockeye_proto::handshake::HandshakeError;
use sockeye_proto::{CloseCode, CloseFrame, Kind, Role};

use super::Reason;
use crate::Error;

#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleMetrics;

#[expect(clippy::unused_self, reason = "the twins of methods that count")]
impl RoleMetrics {
    #[inline]
    pub(crate) const fn of(_: Role) -> Self {
        Self
    }

    #[inline]
    pub(crate) const fn count_received(self, _: Kind, _: usize) {}

    #[inline]
    pub(crate) const fn count_received_part(self, _: Kind, _: usize) {}

    #[inline]
    pub(crate) const fn count_sent(self, _: Kind, _: usize, _: usize) {}

    #[inline]
    pub(crate) const fn count_sent_part(self, _: Kind, _: usize, _: usize) {}

    #[inline]
    pub(crate) const fn count_wire_received(self, _: usize) {}

    #[inline]
    pub(crate) const fn count_close_sent(self, _: Option<CloseCode>) {}

    #[inline]
    pub(crate) const fn count_refused(self, _: &HandshakeError) {}

    #[inline]
    pub(crate) const fn count_refused_with(self, _: Option<StatusCode>) {}

    #[inline]
    pub(crate) const fn record_rtt(self, _: Duration) {}
}

#[derive(Debug)]
pub(crate) struct ConnectionMetrics;

#[expect(clippy::unused_self, reason = "the twins of methods that count")]
impl ConnectionMetrics {
    pub(crate) const fn begin(_: Role) -> Self {
        Self
    }

    pub(crate) const fn ended(_: Role) -> Self {
        Self
    }

    #[inline]
    pub(crate) const fn role_metrics(&self) -> RoleMetrics {
        RoleMetrics
    }

    #[inline]
    pub(crate) const fn on_close_sent(&mut self, _: Option<CloseCode>) {}

    #[inline]
    pub(crate) const fn skip_close(&mut self) {}

    #[inline]
    pub(crate) const fn on_close_received(&mut self, _: Option<&CloseFrame>) {}

    #[inline]
    pub(crate) const fn on_unanswered_close_received(&self, _: Option<&CloseFrame>) {}

    #[inline]
    pub(crate) const fn on_failed(&mut self, _: &Error) {}

    #[cfg(unix)]
    #[inline]
    pub(crate) const fn on_panicked(&mut self) {}

    #[inline]
    pub(crate) const fn end(&mut self) {}
}

#[cfg(unix)]
#[derive(Debug, Default)]
pub(crate) struct Counts {}

#[cfg(unix)]
#[expect(clippy::unused_self, reason = "the twins of methods that count")]
impl Counts {
    #[inline]
    pub(crate) const fn count_received(&mut self, _: Kind, _: usize) {}

    #[inline]
    pub(crate) const fn count_sent(&mut self, _: Kind, _: usize, _: usize) {}

    #[inline]
    pub(crate) const fn count_wire_received(&mut self, _: usize) {}

    #[inline]
    pub(crate) const fn count_all_dropped(&mut self, _: &Self) {}

    #[inline]
    pub(crate) const fn count_dropped(&mut self) {}

    #[inline]
    pub(crate) const fn add(&mut self, _: &Self) {}

    #[inline]
    pub(crate) const fn take(&mut self) -> Self {
        Self {}
    }

    #[inline]
    pub(crate) const fn flush(&mut self, _: Role) {}
}

#[inline]
pub(crate) const fn count_dropped(_: Reason, _: u64) {}
