use std::borrow::Cow;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sockeye_proto::{
    CloseCode, CloseFrame, Kind, Message, MessageRef, Prepared, State, TimedOut, UsageError,
};

use super::Driver;
use super::progress_timeout::Elapsed;
use crate::drain::registry::DrainStage;
use crate::error::{Error, Result};
use crate::transport::Transport;

impl Driver {
    /// Waits until another message may be added to the output.
    #[inline]
    pub(crate) fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ending.has_begun() {
            return Poll::Ready(Err(self.closed_error()));
        }
        if self.member.as_ref().is_some_and(|member| member.stage() >= DrainStage::Notified) {
            ready!(self.poll_drain_notice(cx))?;
        }
        if self.output.has_capacity() { Poll::Ready(Ok(())) } else { self.poll_flush_output(cx) }
    }

    /// Waits like [`poll_capacity`](Self::poll_capacity), for a message of `length` bytes that the
    /// caller holds meanwhile.
    #[inline]
    pub(crate) fn poll_capacity_for(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
    ) -> Poll<Result<()>> {
        let capacity = self.poll_capacity(cx);
        if capacity.is_pending() { self.poll_blocked(cx, length) } else { capacity }
    }

    /// Returns the error for a message on a connection that is over: the error that ended the
    /// connection, or [`Error::Closed`].
    #[cold]
    pub(crate) fn closed_error(&self) -> Error {
        let closed = || Error::Closed(self.close_frame().cloned());
        self.ending.failure().unwrap_or_else(closed)
    }

    /// Adds a message to the output, for which there must be capacity.
    pub(crate) fn push(&mut self, message: Message) -> Result<()> {
        let (kind, length, before) = (message.kind(), message.len(), self.output.len());
        if self.connection.send_in_place(message.as_ref(), self.output.buffer())? {
            self.output.push_shared(message.into_bytes());
        }
        self.count_sent(kind, length, self.output.len() - before);
        Ok(())
    }

    /// Adds a prepared message to the output, for which there must be capacity.
    pub(crate) fn push_prepared(&mut self, prepared: &Prepared) -> Result<()> {
        let before = self.output.len();
        if let Some(rest) = self.connection.send_prepared(prepared, self.output.buffer())? {
            self.output.push_shared(rest);
        }
        let wire = self.output.len() - before;
        self.count_sent(prepared.message().kind(), prepared.len(), wire);
        Ok(())
    }

    /// Adds the payload of a binary message to the output; a long owned payload is not copied.
    pub(crate) fn push_payload(&mut self, payload: Cow<'_, [u8]>) -> Result<()> {
        let (length, before) = (payload.len(), self.output.len());
        if self.connection.send_in_place(MessageRef::Binary(&payload), self.output.buffer())? {
            self.output.push_shared(payload.into_owned().into());
        }
        self.count_sent(Kind::Binary, length, self.output.len() - before);
        Ok(())
    }

    /// Adds a binary message whose payload is `head` and `rest` to the output, for which there must
    /// be capacity; a long `rest` is not copied.
    pub(crate) fn push_after(&mut self, head: &[u8], rest: Bytes) -> Result<(), UsageError> {
        let (length, before) = (head.len() + rest.len(), self.output.len());
        if self.connection.send_in_place_after(head, &rest, self.output.buffer())? {
            self.output.push_shared(rest);
        }
        self.count_sent(Kind::Binary, length, self.output.len() - before);
        Ok(())
    }

    /// Adds a ping to the output, for which there must be capacity.
    pub(crate) fn push_ping(&mut self, payload: &[u8]) -> Result<(), UsageError> {
        self.connection.ping(payload, self.output.buffer())
    }

    /// Begins a message that is sent in fragments.
    pub(crate) fn begin_message(&mut self, kind: Kind) -> Result<(), UsageError> {
        self.connection.begin_message(kind)
    }

    /// Sends a part of the current message as a fragment.
    pub(crate) fn push_fragment(
        &mut self,
        kind: Kind,
        part: &[u8],
        last: bool,
    ) -> Result<(), UsageError> {
        let before = self.output.len();
        if last {
            self.connection.finish_message(part, self.output.buffer())?;
            self.count_sent(kind, part.len(), self.output.len() - before);
        } else {
            self.connection.append_fragment(part, self.output.buffer())?;
            self.role_metrics().count_sent_part(kind, part.len(), self.output.len() - before);
            if let Some(traffic) = &self.traffic {
                traffic.count_sent_part(part.len());
            }
        }
        Ok(())
    }

    /// Cancels a message that was begun and not finished. If a part of it was sent, the connection
    /// begins to close with 1011 (internal error), since the message cannot be taken back.
    pub(crate) fn cancel_message(&mut self) {
        if self.connection.cancel_message() {
            return;
        }
        let reason = "a message was not finished";
        let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR).with_reason(reason);
        // `begin_close` fails only if the connection is closing already.
        let _ = self.begin_close(Some(&frame));
    }

    /// Puts a close frame into the output, and limits the time in which the transport may accept
    /// none of it.
    pub(super) fn begin_close(&mut self, frame: Option<&CloseFrame>) -> Result<(), UsageError> {
        self.push_close(frame)?;
        self.write_timeout.ensure_limit(self.connection.close_timeout());
        Ok(())
    }

    pub(super) fn push_close(&mut self, frame: Option<&CloseFrame>) -> Result<(), UsageError> {
        self.connection.close(frame, self.output.buffer())?;
        self.metrics.on_close_sent(frame.map(|frame| frame.code));
        self.record_close(frame);
        Ok(())
    }

    /// Writes the queued messages, or defers them to the handler's task.
    #[inline]
    pub(crate) fn poll_flush_or_defer(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.defer_output() { Poll::Ready(Ok(())) } else { self.poll_flush_output(cx) }
    }

    /// Writes the queued messages, unless they were lost with the connection.
    pub(crate) fn poll_flush_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.ending.failure() {
            Some(error) => Poll::Ready(Err(error)),
            None => self.poll_flush_output(cx),
        }
    }

    /// Writes all output, including a pong that waited for send capacity.
    #[inline]
    pub(crate) fn poll_flush_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.output_deferred {
            self.take_output_back()?;
        }
        loop {
            let before = self.output.len();
            let flushed = self.poll_write_output(cx);
            let moved = || self.output.len() < before;
            match self.write_timeout.poll_progress(cx, flushed, moved) {
                Poll::Ready(Ok(flushed)) => flushed?,
                Poll::Ready(Err(Elapsed)) => {
                    self.give_up(TimedOut::Writing.into());
                    return Poll::Ready(Err(TimedOut::Writing.into()));
                }
                Poll::Pending => return self.poll_blocked(cx, 0),
            }
            self.connection.poll_pending_pong(self.output.buffer());
            if self.output.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes all output to the transport, or passes it to the writer task of a split connection.
    #[inline]
    pub(super) fn poll_write_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Split { half, .. } => {
                // No frame follows a close frame.
                let closes = matches!(self.connection.state(), State::Closing | State::Closed);
                self.output.poll_pass_to_writer(cx, &mut **half, closes)
            }
            transport => self.output.poll_flush(cx, transport),
        }
    }

    /// Returns the error of the writer task of a split connection.
    #[inline]
    pub(super) fn poll_writer_failed(&mut self, cx: &Context<'_>) -> Poll<Error> {
        match &mut self.transport {
            Transport::Split { half, .. } => half.poll_writer_failed(cx),
            _ => Poll::Pending,
        }
    }

    /// Charges the memory of an unfinished message to the budget.
    #[inline]
    pub(super) fn charge(&mut self, cx: &Context<'_>) -> Result<()> {
        if let (true, Some(budget)) = (self.connection.is_mid_message(), &self.budget) {
            self.connection.charge(budget, self.output.buffer())?;
            if let Some(charge) = self.connection.message_charge() {
                charge.wake_by(cx.waker());
            }
        }
        Ok(())
    }

    /// Handles a transport that accepts no output: charges the memory held meanwhile to the budget,
    /// including `fed` bytes of a message that waits for send capacity. Ready with an error when
    /// the budget requires this connection to end, without a close frame, since none would reach
    /// the peer.
    #[cold]
    pub(super) fn poll_blocked(&mut self, cx: &Context<'_>, fed: usize) -> Poll<Result<()>> {
        let Some(budget) = &self.budget else { return Poll::Pending };
        let held = self.output.len() + self.input.len() + fed + self.transport.held_when_full();
        match self.write_timeout.charge(cx, budget, held) {
            Ok(()) => Poll::Pending,
            Err(error) => {
                self.give_up(error.into());
                Poll::Ready(Err(error.into()))
            }
        }
    }

    /// Ends a connection whose transport accepts no output, without further writes.
    #[cold]
    pub(super) fn give_up(&mut self, error: Error) {
        if !self.ending.has_begun() {
            self.metrics.on_failed(&error);
            self.ending.give_up(error);
        }
    }
}
