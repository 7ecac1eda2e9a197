use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_proto::{CloseFrame, Role, State, TimedOut};
use tokio::io::AsyncWrite;

use super::Driver;
use super::output::AsyncOutput;
use crate::close_payload::ClosePayload;
use crate::error::{Error, Result};

/// The steps from the last event to the end of the transport (RFC 6455 sections 7.1.1 and 7.1.7).
///
/// ```text
///  Open ──► Flushing ──► Discarding ──► Done
///    │     the last      input until     ▲
///    │     frame         the peer's end  │
///    └── the transport failed ───────────┘
/// ```
#[derive(Debug)]
pub(super) struct Ending {
    step: EndingStep,
    /// `true` if the driver shuts down the local half of the transport right after the closing
    /// handshake; `false` for a client on TCP, which waits until the server has ended the
    /// transport.
    shuts_down_first: bool,
    /// `true` if the senders' queue sends the close frame, on a split connection.
    pub(super) closes_by_queue: bool,
    handshake: ClosingHandshake,
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClosingHandshake {
    /// The closing handshake has not begun, or goes on, or the connection failed.
    Incomplete,
    Complete,
    /// The peer did not answer the close frame in time. It may still be reading what was sent
    /// before.
    Unanswered,
}

/// The error that ended a connection.
#[derive(Debug)]
struct Failure {
    error: Error,
    /// `true` once a receiving call has returned the error, which is kept for sending calls.
    reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndingStep {
    Open,
    /// The last frame is being written; then the local half of the transport is shut down, if this
    /// side does so first.
    Flushing,
    /// The peer has yet to end the transport; its further input is discarded. If the driver dropped
    /// the transport earlier, with input unread, TCP would discard the last frame on its way.
    Discarding,
    Done,
}

impl Ending {
    pub(super) fn new(role: Role) -> Self {
        Self {
            step: EndingStep::Open,
            shuts_down_first: role == Role::Server,
            closes_by_queue: false,
            handshake: ClosingHandshake::Incomplete,
            failure: None,
        }
    }

    /// Shuts down the local half of the transport as soon as both close frames have passed, even on
    /// a client.
    #[cfg(feature = "http2")]
    pub(super) fn shut_down_first(&mut self) {
        self.shuts_down_first = true;
    }

    /// Creates the ending of a driver whose connection was moved out.
    pub(super) const fn done() -> Self {
        Self {
            step: EndingStep::Done,
            shuts_down_first: false,
            closes_by_queue: false,
            handshake: ClosingHandshake::Incomplete,
            failure: None,
        }
    }

    /// Returns whether the transport has ended or failed.
    pub(super) fn is_done(&self) -> bool {
        self.step == EndingStep::Done
    }

    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.step != EndingStep::Open
    }

    #[inline]
    pub(super) const fn step(&self) -> EndingStep {
        self.step
    }

    /// Returns whether the connection ended because the peer did not answer the close frame.
    pub(super) fn is_unanswered(&self) -> bool {
        self.handshake == ClosingHandshake::Unanswered
    }

    /// Returns whether the closing handshake is complete.
    pub(super) fn is_closed(&self) -> bool {
        self.handshake == ClosingHandshake::Complete
    }

    /// Returns whether the connection has ended, and the error that ended it was returned.
    pub(super) fn is_terminated(&self) -> bool {
        self.is_done() && self.failure.as_ref().is_none_or(|failure| failure.reported)
    }

    /// Returns the error that ended the connection, for a later call.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.as_ref().map(|failure| failure.error.of_later_call())
    }

    /// Returns the error that ended the connection, the first time only.
    fn report(&mut self) -> Result<()> {
        match &mut self.failure {
            Some(failure) if !failure.reported => {
                failure.reported = true;
                let later = failure.error.of_later_call();
                Err(mem::replace(&mut failure.error, later))
            }
            _ => Ok(()),
        }
    }

    /// Completes the closing handshake; `frame` is the close frame of the peer.
    pub(super) fn on_closed(&mut self, frame: Option<&CloseFrame>) {
        self.step = EndingStep::Flushing;
        self.handshake = ClosingHandshake::Complete;
        tracing::debug!(code = frame.map(|frame| u16::from(frame.code)), "connection closed");
    }

    /// Fails the connection.
    fn fail(&mut self, error: Error) {
        if matches!(error, Error::TimedOut(TimedOut::Closing)) {
            self.handshake = ClosingHandshake::Unanswered;
        }
        self.step = match error {
            Error::Protocol(_) | Error::ClosedMidMessage(_) => EndingStep::Flushing,
            _ => EndingStep::Done,
        };
        tracing::debug!(error = &error as &dyn std::error::Error, "connection failed");
        self.set_error(error);
    }

    /// Fails the connection without further writes, because the transport accepts no output.
    pub(super) fn give_up(&mut self, error: Error) {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "connection aborted: the transport accepts no output"
        );
        self.step = EndingStep::Done;
        self.set_error(error);
    }

    /// Fails the connection with `error`, which a close frame in the output reports to the peer.
    pub(super) fn refuse(&mut self, error: Error) {
        self.step = EndingStep::Flushing;
        self.set_error(error);
    }

    fn set_error(&mut self, error: Error) {
        self.failure = Some(Failure { error, reported: false });
    }
}

impl Driver {
    /// Fails the connection, unless the connection is over, such as after `give_up`.
    pub(super) fn fail(&mut self, error: Error) {
        if !self.ending.is_done() {
            self.metrics.on_failed(&error);
            self.ending.fail(error);
        }
    }

    /// Records the error that ends the connection, unless an earlier error is recorded.
    fn end_with(&mut self, error: impl Into<Error>) {
        if self.ending.failure.is_none() {
            let error = error.into();
            self.metrics.on_failed(&error);
            self.ending.set_error(error);
        }
    }

    /// Ends the transport, then returns the error that ended the connection, the first time only.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.ending.step != EndingStep::Done {
            let step = match self.ending.step {
                EndingStep::Flushing => self.poll_last_frame(cx),
                _ => self.poll_peer_end(cx),
            };
            if let Poll::Ready(next) = step {
                self.ending.step = next;
                continue;
            }
            if self.poll_drain_deadline(cx) {
                if self.ending.step == EndingStep::Flushing {
                    self.end_with(TimedOut::Closing);
                }
                self.ending.step = EndingStep::Done;
                continue;
            }
            if let Err(timed_out) = ready!(self.poll_timer(cx)) {
                // Once the last frame is out the handshake is complete: a peer that is slow to end
                // the transport does not make the connection fail.
                if self.ending.step == EndingStep::Flushing {
                    self.end_with(timed_out);
                }
                self.ending.step = EndingStep::Done;
            }
        }
        self.metrics.end();
        // The remaining output will never be written.
        self.output = AsyncOutput::default();
        Poll::Ready(self.ending.report())
    }

    /// Sends a close frame with `payload`, unless the closing handshake has begun, and finishes the
    /// handshake. Messages that arrive meanwhile are discarded.
    pub(crate) async fn close(&mut self, payload: ClosePayload) -> Result<()> {
        poll_fn(|cx| self.poll_close(cx, payload.frame())).await
    }

    pub(crate) fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        frame: Option<&CloseFrame>,
    ) -> Poll<Result<()>> {
        if self.connection.state() == State::Open && !self.ending.has_begun() {
            // The close frame does not wait for send capacity: its size is bounded, and so is the
            // wait that it begins.
            self.begin_close(frame)?;
        }
        while ready!(self.poll_recv(cx))?.is_some() {}
        Poll::Ready(Ok(()))
    }

    fn poll_last_frame(&mut self, cx: &mut Context<'_>) -> Poll<EndingStep> {
        match ready!(self.poll_flush_output(cx)) {
            Ok(()) => {}
            Err(timed_out @ Error::TimedOut(_)) => {
                self.end_with(timed_out);
                return Poll::Ready(EndingStep::Done);
            }
            // The peer has ended the transport already, and would not read the last frame.
            Err(_) => return Poll::Ready(EndingStep::Done),
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
        //# The server MUST close the underlying TCP connection immediately;
        //# the client SHOULD wait for the server to close the connection but
        //# MAY close the connection at any time after sending and
        //# receiving a Close message
        // On an HTTP/2 stream, either side may end first, and some servers end their half only
        // after the client has ended its own (Apache, Hypercorn).
        let failed = self.ending.failure.is_some();
        let server = self.connection.role() == Role::Server;
        if (self.ending.shuts_down_first || failed)
            && ready!(Pin::new(&mut self.transport).poll_shutdown(cx)).is_err()
        {
            return Poll::Ready(EndingStep::Done);
        }
        Poll::Ready(if server && !failed { EndingStep::Done } else { EndingStep::Discarding })
    }

    fn poll_peer_end(&mut self, cx: &mut Context<'_>) -> Poll<EndingStep> {
        ready!(self.poll_discard(cx));
        // The driver shuts down the local half now, because the peer may wait for that, and the
        // caller may keep the connection for a long time.
        let _ = ready!(Pin::new(&mut self.transport).poll_shutdown(cx));
        Poll::Ready(EndingStep::Done)
    }
}
