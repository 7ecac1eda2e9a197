//! The end of a connection that is dropped before it was closed.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::BytesMut;
use sockeye_proto::{CloseCode, CloseFrame, Config, Connection, State};
use tokio::io::AsyncWrite;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::closing::Ending;
use super::{Driver, handler};
use crate::drain::registry::DrainStage;
use crate::metrics::ConnectionMetrics;
use crate::transport::Transport;

/// The handling of a connection that is dropped before its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WhenDropped {
    /// Close the connection in a handler that this crate runs; linger elsewhere.
    #[default]
    Close,
    /// Linger: end the transport after the remaining output, without a close frame.
    Linger,
    /// Drop the transport.
    Drop,
}

impl Drop for Driver {
    /// Writes the remaining output, ends the writing half and discards input until the peer has
    /// ended its half. TCP resets a transport that is dropped with input unread, or that receives
    /// input later, and discards output that has not arrived. A peer that did not answer the close
    /// frame in time may be a slow reader: its next pong would cut off what it has yet to read.
    fn drop(&mut self) {
        let unanswered = self.ending.is_unanswered();
        let done = self.ending.is_done() && !unanswered;
        let dropped_by_drain =
            self.member.as_ref().is_some_and(|member| member.stage() == DrainStage::Dropped);
        if done
            || dropped_by_drain
            || matches!(self.transport, Transport::Gone)
            || self.when_dropped == WhenDropped::Drop
        {
            return;
        }
        let mut rest = self.take();
        if thread::panicking() {
            rest.close_after_panic();
        } else if self.when_dropped == WhenDropped::Close && !unanswered {
            match handler::defer_close(rest) {
                None => return,
                Some(back) => rest = back,
            }
        }
        rest.when_dropped = WhenDropped::Drop;
        // Without a runtime, no task can linger.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(rest.linger()));
        }
    }
}

impl Driver {
    /// Makes dropping the driver end the transport without a close frame, even in a handler, so
    /// that the peer detects an abnormal end.
    pub(crate) fn linger_when_dropped(&mut self) {
        self.when_dropped = WhenDropped::Linger;
    }

    /// Drops the transport, and resets the underlying TCP connection, if any.
    pub(crate) fn reset(mut self) {
        self.when_dropped = WhenDropped::Drop;
        self.transport.take().reset();
    }

    /// Moves the connection out of `self`, whose drop then does nothing.
    fn take(&mut self) -> Self {
        let done = Self::with_ending(
            Transport::Gone,
            Connection::server(&Config::new()),
            BytesMut::new(),
            ConnectionMetrics::ended(self.connection.role()),
            Ending::done(),
        );
        let mut taken = mem::replace(self, done);
        // No task polls the halves any more.
        taken.halves = None;
        taken
    }

    /// Puts a close frame with 1011 into the output, since the program panicked.
    fn close_after_panic(&mut self) {
        if self.connection.state() == State::Open {
            // `begin_close` fails only if a close frame was sent before.
            let _ = self.begin_close(Some(&CloseFrame::from(CloseCode::INTERNAL_ERROR)));
        }
    }

    /// Ends the transport after the remaining output, within [`Config::close_timeout()`] in all.
    async fn linger(mut self) {
        self.input = BytesMut::new();
        let limit = self.connection.close_timeout();
        let _ = timeout(limit, poll_fn(|cx| self.poll_linger(cx))).await;
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_drain_deadline(cx) || ready!(self.poll_flush_output(cx)).is_err() {
            return Poll::Ready(());
        }
        if ready!(Pin::new(&mut self.transport).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        self.poll_discard(cx)
    }
}
