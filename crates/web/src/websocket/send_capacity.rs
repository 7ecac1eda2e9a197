use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_proto::{CloseCode, CloseFrame, TimedOut, Utf8Bytes};

use super::connection::Connection;
use super::limits::POLL_INTERVAL;
use crate::Result;
use crate::timer::Sleep;

/// Close code after a write timeout. Replaces 1006, which a page cannot send.
const WRITE_TIMED_OUT: u16 = 4006;

/// A wait until the browser buffers no more than a given number of unsent bytes.
///
/// Each value has its own timers, so that every waiting task is woken.
#[derive(Debug, Default)]
pub(crate) struct SendCapacity {
    again: Option<Sleep>,
    stall: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    /// Minimum of the unsent bytes since the timer was set.
    least: usize,
    /// Number of unsent bytes when the timer was set.
    before: usize,
    over: Sleep,
}

impl SendCapacity {
    /// Waits until at most `limit` bytes are unsent.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) if the connection accepts no messages,
    /// [`TimedOut::Writing`] if none of the unsent bytes were written for one to two times the
    /// write timeout; the connection is then over.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        limit: usize,
    ) -> Poll<Result<()>> {
        if !connection.is_open() {
            *self = Self::default();
            return Poll::Ready(Err(connection.closed_error()));
        }
        loop {
            let unsent = connection.socket().unsent();
            if unsent <= limit {
                *self = Self::default();
                return Poll::Ready(Ok(()));
            }
            if self.poll_stall(cx, connection.limits().write, unsent).is_ready() {
                *self = Self::default();
                let code = CloseCode::from(WRITE_TIMED_OUT);
                let reason = Utf8Bytes::from_static("nothing was taken of what was sent");
                connection.abandon(&CloseFrame::from(code).with_reason(reason));
                return Poll::Ready(Err(TimedOut::Writing.into()));
            }
            if connection.socket().wake_when_sent(cx) {
                return Poll::Pending;
            }
            let again = self.again.get_or_insert_with(|| Sleep::new(POLL_INTERVAL));
            if again.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.again = None;
        }
    }

    fn poll_stall(
        &mut self,
        cx: &mut Context<'_>,
        timeout: Option<Duration>,
        unsent: usize,
    ) -> Poll<()> {
        let Some(timeout) = timeout else { return Poll::Pending };
        loop {
            let stall = self.stall.get_or_insert_with(|| Stall {
                least: unsent,
                before: unsent,
                over: Sleep::new(timeout),
            });
            stall.least = stall.least.min(unsent);
            if stall.over.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if stall.least == stall.before {
                return Poll::Ready(());
            }
            self.stall = None;
        }
    }
}
