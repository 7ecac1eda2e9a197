use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_proto::{CloseCode, CloseFrame, TimedOut, Utf8Bytes};

use super::connection::Connection;
use crate::Result;
use crate::timer::Sleep;

/// How often a `WebSocket` is asked how much it has unsent while that is too much: nothing tells when it becomes less. HTML,
/// section 8.6, lets a timer that was set by a timer not fire sooner; a hidden page's may fire once a second.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(4);

/// What stands for 1006 where a page has to say something: the peer took nothing.
const GIVEN_UP: u16 = 4006;

/// One that waits until the browser holds no more than some number of bytes that are unsent.
///
/// It has its own timers, so that each of those who wait is woken.
#[derive(Debug, Default)]
pub(crate) struct Room {
    again: Option<Sleep>,
    patience: Option<Patience>,
}

#[derive(Debug)]
struct Patience {
    /// The least that was unsent, in bytes, since the timer was set.
    least: usize,
    /// What it was when the timer was set.
    before: usize,
    over: Sleep,
}

impl Room {
    /// Waits until at most `limit` bytes are unsent.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when the connection takes no messages, [`TimedOut::Writing`] when nothing was taken of what is
    /// unsent for between one and two times the limit of that; the connection is over then.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        limit: usize,
    ) -> Poll<Result<()>> {
        if !connection.is_open() {
            *self = Self::default();
            return Poll::Ready(Err(connection.too_late()));
        }
        loop {
            let unsent = connection.socket().unsent();
            if unsent <= limit {
                *self = Self::default();
                return Poll::Ready(Ok(()));
            }
            if self.poll_patience(cx, connection.limits().write, unsent).is_ready() {
                *self = Self::default();
                let code = CloseCode::from(GIVEN_UP);
                let reason = Utf8Bytes::from_static("nothing was taken of what was sent");
                connection.abandon(&CloseFrame::from(code).with_reason(reason));
                return Poll::Ready(Err(TimedOut::Writing.into()));
            }
            if connection.socket().wake_when_sent(cx) {
                return Poll::Pending;
            }
            let again = self.again.get_or_insert_with(|| Sleep::new(LOOK_AGAIN));
            if again.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.again = None;
        }
    }

    fn poll_patience(
        &mut self,
        cx: &mut Context<'_>,
        timeout: Option<Duration>,
        unsent: usize,
    ) -> Poll<()> {
        let Some(timeout) = timeout else { return Poll::Pending };
        loop {
            let patience = self.patience.get_or_insert_with(|| Patience {
                least: unsent,
                before: unsent,
                over: Sleep::new(timeout),
            });
            patience.least = patience.least.min(unsent);
            if patience.over.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if patience.least == patience.before {
                return Poll::Ready(());
            }
            self.patience = None;
        }
    }
}
