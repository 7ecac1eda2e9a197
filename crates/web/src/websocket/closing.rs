use std::task::{Context, Poll};

use sockeye_proto::TimedOut;

use super::connection::Limits;
use super::room::LOOK_AGAIN;
use crate::socket::Socket;
use crate::timer::Sleep;

/// The deadline of a connection that is being closed.
///
/// While the browser holds messages that were sent before the close frame, the deadline is that of writing, and begins anew
/// with whatever the browser writes. Then it is that of the closing handshake: a browser does not tell when the close frame
/// itself is written, which follows at once.
#[derive(Debug)]
pub(super) struct ClosingDeadline {
    /// How much the browser held when the timer was set, in bytes.
    unsent: usize,
    over: Sleep,
    again: Option<Sleep>,
}

impl ClosingDeadline {
    pub(super) fn new(limits: Limits, unsent: usize) -> Self {
        // Without a limit for writing, what is unsent has the time of the closing handshake from one byte to the next.
        let writing = limits.write.unwrap_or(limits.closing);
        let over = Sleep::new(if unsent > 0 { writing } else { limits.closing });
        Self { unsent, over, again: None }
    }

    /// Ready when the time is up, with what there was no time for.
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
            let again = self.again.get_or_insert_with(|| Sleep::new(LOOK_AGAIN));
            if again.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.again = None;
        }
    }
}
