//! The payload of binary messages without message boundaries, from which byte streams are made.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_proto::{CloseCode, CloseFrame, Input, Kind, State};
use tokio::time::timeout;

use super::Driver;
use super::progress_timeout::ProgressTimeout;
use super::streamed_message::StreamedStage;
use crate::drain::registry::DrainStage;
use crate::error::{Error, Result};

/// The result of waiting for payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadStatus {
    /// [`Driver::rest`] is not empty, or a text message has begun.
    Available(Kind),
    /// The peer has closed its direction, and the local direction is open.
    PeerClosed,
    /// No more payload: [`Driver::poll_end`] returns the cause.
    Ended,
}

impl Driver {
    /// Lets each direction end separately. Once the local direction has ended, the peer may be
    /// silent for at most `silence`.
    pub(crate) fn allow_half_close(&mut self, silence: Duration) {
        self.connection.allow_half_close(Some(silence));
    }

    /// Makes a close frame end both directions again. Has no effect once the connection is closed.
    pub(crate) fn forbid_half_close(&mut self) {
        self.connection.allow_half_close(None);
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.transport.local_addr()
    }

    /// Replaces [`Config::write_timeout`](crate::Config::write_timeout()) for this connection.
    pub(crate) fn set_write_timeout(&mut self, limit: Option<Duration>) {
        self.write_timeout = ProgressTimeout::new(limit);
    }

    /// Returns whether more input may arrive.
    #[inline]
    pub(super) fn is_receiving(&self) -> bool {
        !self.ending.has_begun() && self.connection.state() != State::PeerClosed
    }

    /// Returns whether the end of the connection has begun, orderly or not.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.has_begun()
    }

    /// Returns whether the connection ended by a closing handshake that indicates no failure. Valid
    /// only once the connection has ended.
    pub(crate) fn ended_in_order(&self) -> bool {
        self.ending.is_closed()
            && self.close_frame.as_ref().is_none_or(|frame| frame.code.is_orderly())
    }

    /// Waits for payload or an end. The output is written before the wait.
    pub(crate) fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<PayloadStatus> {
        loop {
            match self.streamed.stage {
                StreamedStage::Open(Kind::Text) | StreamedStage::Complete(Kind::Text) => {
                    return Poll::Ready(PayloadStatus::Available(Kind::Text));
                }
                _ if !self.rest().is_empty() => {
                    return Poll::Ready(PayloadStatus::Available(Kind::Binary));
                }
                _ if !self.is_receiving() => break,
                StreamedStage::Open(Kind::Binary) => {}
                StreamedStage::Idle
                | StreamedStage::Requested
                | StreamedStage::Complete(Kind::Binary) => {
                    if self.input.is_empty() {
                        ready!(self.poll_more(cx));
                        continue;
                    }
                    if self.take_whole() {
                        continue;
                    }
                    self.streamed.stage = StreamedStage::Requested;
                    self.connection.stream_messages(true);
                }
            }
            ready!(self.poll_piece(cx));
            self.read_timeout.reset();
        }
        let ended = self.ending.has_begun();
        Poll::Ready(if ended { PayloadStatus::Ended } else { PayloadStatus::PeerClosed })
    }

    /// Waits for input, between messages.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.poll_input(cx)) {
            Ok(Some(message)) => {
                let message = self.record_message(message);
                self.streamed.set_whole(message);
            }
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
        Poll::Ready(())
    }

    /// Takes a message that is whole in the input. Returns whether there was a message or an error.
    fn take_whole(&mut self) -> bool {
        self.connection.stream_messages(false);
        let before = self.input.len();
        let mut input = Input::new(&mut self.input);
        let received = self.connection.receive_whole(&mut input, self.output.buffer());
        let taken = before - input.len();
        match received {
            None => return false,
            Some(Ok(message)) => {
                // The payload is the end of the consumed bytes.
                let (kind, length) = (message.kind(), message.as_bytes().len());
                self.take_input(taken - length);
                self.streamed.in_input = length;
                self.streamed.stage = StreamedStage::Complete(kind);
                self.count_received(kind, length);
            }
            Some(Err(error)) => {
                self.take_input(taken);
                self.fail(error.into());
            }
        }
        self.read_timeout.reset();
        true
    }

    /// Waits until a message may be sent. Unlike other ways to send, it discards no arriving
    /// message when the server shuts down.
    pub(crate) fn poll_sendable(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.member.as_ref().is_some_and(|member| member.stage() >= DrainStage::Forced) {
            self.poll_close_signal(cx)?;
        }
        let open = matches!(self.connection.state(), State::Open | State::PeerClosed);
        if self.ending.has_begun() || !open {
            return Poll::Ready(Err(self.closed_error()));
        }
        if self.output.has_capacity() { Poll::Ready(Ok(())) } else { self.poll_flush_output(cx) }
    }

    /// Ends the local direction: puts the close frame into the output, unless there is one already.
    /// The write timeout of the output ahead of it is unchanged.
    pub(crate) fn end_sending(&mut self) {
        let answers = self.connection.state() == State::PeerClosed;
        let frame = CloseFrame::from(CloseCode::NORMAL_CLOSURE);
        if self.push_close(Some(&frame)).is_ok() && answers {
            self.ending.on_closed(self.close_frame.as_deref());
        }
    }

    /// Refuses the peer's input, and ends the connection.
    pub(crate) fn refuse(&mut self, frame: &CloseFrame, error: Error) {
        self.forbid_half_close();
        // `begin_close` fails if a close frame was sent before: the peer receives no second one.
        let _ = self.begin_close(Some(frame));
        self.metrics.on_failed(&error);
        self.ending.refuse(error);
    }

    /// Ends the connection so that both directions fail for the peer: by `frame`, or by a reset if
    /// a close frame is out already or the peer does not end the transport in time.
    pub(crate) async fn abort(mut self, frame: &CloseFrame) {
        if self.ending.is_done() {
            return;
        }
        if !self.ending.has_begun()
            && matches!(self.connection.state(), State::Open | State::PeerClosed)
        {
            self.refuse(frame, io::Error::from(io::ErrorKind::ConnectionAborted).into());
            let limit = self.connection.close_timeout();
            if timeout(limit, poll_fn(|cx| self.poll_end(cx))).await.is_ok() {
                return;
            }
        }
        self.reset();
    }
}
