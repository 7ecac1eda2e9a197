use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sockeye_proto::{CloseCode, CloseFrame, State, TimedOut};

use super::Driver;
use crate::close_payload::ClosePayload;
use crate::drain::registry::{DrainStage, Member};
use crate::error::Result;

/// A signal, and the close code that the driver sends once the signal is ready.
pub(super) struct CloseSignal {
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
    code: CloseCode,
}

impl Driver {
    /// Makes [`poll_recv`](Self::poll_recv) close the connection with `code` when `signal` is
    /// ready. Replaces an earlier signal.
    pub(crate) fn set_close_signal(
        &mut self,
        signal: impl Future<Output = ()> + Send + 'static,
        code: CloseCode,
    ) {
        self.close_signal = Some(CloseSignal { signal: Box::pin(signal), code });
    }

    /// Registers the connection with a drain.
    pub(crate) fn join_drain(&mut self, member: Arc<Member>) {
        member.on_connected();
        self.member = Some(member);
    }

    /// Returns whether a drain or a signal can close the connection from within `recv`.
    #[inline]
    pub(crate) fn has_close_signal(&self) -> bool {
        self.member.is_some() || self.close_signal.is_some()
    }

    /// Puts the close frame into the output once a drain or the signal asks for it.
    ///
    /// # Errors
    /// [`TimedOut::Closing`] when the shutdown deadline of the server has passed.
    pub(super) fn poll_close_signal(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if let Some(ClosePayload(frame)) = self.poll_close_signal_frame(cx)? {
            self.begin_close(frame.as_ref())?;
        }
        Ok(())
    }

    /// Returns the close frame once a drain or the signal asks for it, unless the connection is
    /// already closing.
    ///
    /// # Errors
    /// [`TimedOut::Closing`] when the shutdown deadline of the server has passed.
    pub(crate) fn poll_close_signal_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<Option<ClosePayload>> {
        let mut due = None;
        if let Some(member) = &self.member {
            match member.poll(cx) {
                DrainStage::Dropped => return Err(TimedOut::Closing.into()),
                DrainStage::Notified | DrainStage::Forced => {
                    due = Some(ClosePayload(member.frame().cloned()));
                }
                DrainStage::Open => {}
            }
        }
        if let Some(close_signal) = &mut self.close_signal {
            if close_signal.signal.as_mut().poll(cx).is_ready() {
                let frame = CloseFrame::new(close_signal.code, "").ok();
                due.get_or_insert(ClosePayload(frame));
                self.close_signal = None;
            }
        }
        let open = self.connection.state() == State::Open && !self.ending.closes_by_queue;
        Ok(due.filter(|_| open))
    }

    /// Waits until another message may be sent while the server shuts down. If the close frame was
    /// sent, or must be sent now because the handler does not receive, finishes the closing
    /// handshake and then returns an error: a handler that ended at a failed send would otherwise
    /// cut the handshake short.
    #[cold]
    pub(super) fn poll_drain_notice(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.member.as_ref().is_some_and(|member| member.stage() >= DrainStage::Forced) {
            self.poll_close_signal(cx)?;
        }
        if self.connection.state() == State::Open {
            return Poll::Ready(Ok(()));
        }
        while ready!(self.poll_recv(cx))?.is_some() {}
        Poll::Ready(Err(self.closed_error()))
    }

    /// Returns whether the shutdown deadline of the server has passed; the task is woken when that
    /// changes.
    pub(super) fn poll_drain_deadline(&self, cx: &mut Context<'_>) -> bool {
        self.member.as_ref().is_some_and(|member| member.poll(cx) == DrainStage::Dropped)
    }
}
