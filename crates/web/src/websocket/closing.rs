use std::task::{Context, Poll};

use sockeye_proto::TimedOut;

use super::limits::{Limits, POLL_INTERVAL};
use crate::socket::Socket;
use crate::timer::Sleep;

/// The deadline of a connection that is closing.
///
/// While the browser buffers messages sent before the close frame, the write timeout applies, and
/// restarts whenever the browser writes some of them. Afterwards the close timeout applies: a
/// browser does not report when the close frame itself is written, which happens at once.
#[derive(Debug)]
pub(super) struct ClosingDeadline {
    /// Number of bytes that the browser buffered when the timer was set.
    unsent: usize,
    over: Sleep,
    again: Option<Sleep>,
}

impl ClosingDeadline {
    pub(super) fn new(limits: Limits, unsent: usize) -> Self {
        // Without a write timeout, the close timeout limits each step of writing the unsent bytes.
        let writing = limits.write.unwrap_or(limits.closing);
        let over = Sleep::new(if unsent > 0 { writing } else { limits.closing });
        Self { unsent, over, again: None }
    }

    /// Returns ready when the deadline has passed, with the phase that timed out.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        limits: Limits,
        socket: &Socket,
    ) -> Poll<TimedOut> {
        loop {
            let unsent = socket.unsent();
            if unsent < self.unsent {
                *self = Self::new(limits, unsent);
            }
            if self.over.poll(cx).is_ready() {
                let late = if unsent > 0 { TimedOut::Writing } else { TimedOut::Closing };
                return Poll::Ready(late);
            }
            if unsent == 0 || socket.wake_when_sent(cx) {
                return Poll::Pending;
            }
            let again = self.again.get_or_insert_with(|| Sleep::new(POLL_INTERVAL));
            if again.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.again = None;
        }
    }
}
