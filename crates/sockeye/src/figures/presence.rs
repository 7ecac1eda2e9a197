use std::mem;

use sockeye_proto::{CloseCode, CloseFrame, Role};

#[cfg(unix)]
use super::recorded::PANIC;
use super::recorded::Side;
use crate::Error;

/// One connection among those that are open, from its opening handshake to its end, or until it is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    side: Side,
    open: bool,
    /// A connection sends one close frame at most.
    close_sent: bool,
}

impl Presence {
    pub(crate) fn begin(role: Role) -> Self {
        let side = Side::of(role);
        side.opened();
        Self { side, open: true, close_sent: false }
    }

    /// One that was counted out by others.
    pub(crate) fn over(role: Role) -> Self {
        Self { side: Side::of(role), open: false, close_sent: true }
    }

    /// The figures that it counts in.
    #[inline]
    pub(crate) const fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn close_sent(&mut self, code: Option<CloseCode>) {
        if !mem::replace(&mut self.close_sent, true) {
            self.side.close_sent(code);
        }
    }

    /// Somebody else sends the close frame, and counts it.
    pub(crate) const fn leave_close(&mut self) {
        self.close_sent = true;
    }

    /// The peer's close frame was received, and answered with the same code unless one was sent before.
    pub(crate) fn close_received(&mut self, frame: Option<&CloseFrame>) {
        self.unanswered_close_received(frame);
        self.close_sent(frame.map(|frame| frame.code));
    }

    /// The peer's close frame was received, and its answer has time.
    pub(crate) fn unanswered_close_received(&self, frame: Option<&CloseFrame>) {
        self.side.close_received(frame.map(|frame| frame.code));
    }

    pub(crate) fn failed(&mut self, error: &Error) {
        match error {
            Error::ClosedMidMessage(frame) => self.close_received(frame.as_ref()),
            Error::Protocol(error) => self.close_sent(Some(error.close_code())),
            _ => {}
        }
        self.side.failed(error);
    }

    /// A callback panicked: the close frame says so.
    #[cfg(unix)]
    pub(crate) fn panicked(&mut self) {
        self.close_sent(Some(CloseCode::INTERNAL_ERROR));
        self.side.failed_by(PANIC);
    }

    /// The connection is over.
    pub(crate) fn end(&mut self) {
        if mem::take(&mut self.open) {
            self.side.ended();
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.end();
    }
}
