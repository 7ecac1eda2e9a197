//! What is left of the figures without the feature `metrics`: nothing. Every type is empty, and every call vanishes.

use std::time::Duration;

use http::StatusCode;
use sockeye_proto::handshake::HandshakeError;
use sockeye_proto::{CloseCode, CloseFrame, Kind, Role};

use super::Reason;
use crate::Error;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Side;

#[expect(clippy::unused_self, reason = "the twins of methods that count")]
impl Side {
    #[inline]
    pub(crate) const fn of(_: Role) -> Self {
        Self
    }

    #[inline]
    pub(crate) const fn received(self, _: Kind, _: usize) {}

    #[inline]
    pub(crate) const fn received_part(self, _: Kind, _: usize) {}

    #[inline]
    pub(crate) const fn sent(self, _: Kind, _: usize, _: usize) {}

    #[inline]
    pub(crate) const fn sent_part(self, _: Kind, _: usize, _: usize) {}

    #[inline]
    pub(crate) const fn wire_received(self, _: usize) {}

    #[inline]
    pub(crate) const fn close_sent(self, _: Option<CloseCode>) {}

    #[inline]
    pub(crate) const fn refused(self, _: &HandshakeError) {}

    #[inline]
    pub(crate) const fn refused_with(self, _: Option<StatusCode>) {}

    #[inline]
    pub(crate) const fn rtt(self, _: Duration) {}
}

#[derive(Debug)]
pub(crate) struct Presence;

#[expect(clippy::unused_self, reason = "the twins of methods that count")]
impl Presence {
    pub(crate) const fn begin(_: Role) -> Self {
        Self
    }

    pub(crate) const fn over(_: Role) -> Self {
        Self
    }

    #[inline]
    pub(crate) const fn side(&self) -> Side {
        Side
    }

    #[inline]
    pub(crate) const fn close_sent(&mut self, _: Option<CloseCode>) {}

    #[inline]
    pub(crate) const fn leave_close(&mut self) {}

    #[inline]
    pub(crate) const fn close_received(&mut self, _: Option<&CloseFrame>) {}

    #[inline]
    pub(crate) const fn unanswered_close_received(&self, _: Option<&CloseFrame>) {}

    #[inline]
    pub(crate) const fn failed(&mut self, _: &Error) {}

    #[cfg(unix)]
    #[inline]
    pub(crate) const fn panicked(&mut self) {}

    #[inline]
    pub(crate) const fn end(&mut self) {}
}

#[cfg(unix)]
#[derive(Debug, Default)]
pub(crate) struct Tally {}

#[cfg(unix)]
#[expect(clippy::unused_self, reason = "the twins of methods that count")]
impl Tally {
    #[inline]
    pub(crate) const fn received(&mut self, _: Kind, _: usize) {}

    #[inline]
    pub(crate) const fn sent(&mut self, _: Kind, _: usize, _: usize) {}

    #[inline]
    pub(crate) const fn wire_received(&mut self, _: usize) {}

    #[inline]
    pub(crate) const fn messages_dropped(&mut self, _: &Self) {}

    #[inline]
    pub(crate) const fn message_dropped(&mut self) {}

    #[inline]
    pub(crate) const fn add(&mut self, _: &Self) {}

    #[inline]
    pub(crate) const fn take(&mut self) -> Self {
        Self {}
    }

    #[inline]
    pub(crate) const fn hand_over(&mut self, _: Role) {}
}

#[inline]
pub(crate) const fn dropped(_: Reason, _: u64) {}
