//! The end of a driver: a refused request, a connection that has ended, and the socket after both.

use std::io;
use std::time::{Duration, Instant};

use sockeye_proto::handshake::HandshakeError;
use sockeye_proto::{CloseCode, CloseFrame, Role, TimedOut};

use super::{BackendSocket, ConnectionDriver, DriverState, WorkerContext};
use crate::Error;
use crate::metrics::RoleMetrics;
use crate::output::Output;
use crate::push::Handler;
use crate::push::worker::flow::{EndReason, call};
use crate::push::worker::opening;
use crate::push::writer::Writer;

/// The way in which a driver's socket is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The socket stays open.
    None,
    /// Once the output is written, the writing half is shut down and the socket is dropped.
    Finish,
    /// Once the output is written, the writing half is shut down; the socket is dropped when the
    /// peer ends its half. If the socket were dropped earlier, with input unread, TCP would discard
    /// the last frame on its way.
    Linger,
    /// The socket is dropped at once.
    Drop,
}

/// The state of a driver whose connection has ended: the output that is still to be written.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) writer: Option<Box<Writer>>,
    /// Set while output that was taken from the writer has not yet reached the system.
    pub(super) in_flight: bool,
    /// Amount of discarded input, in bytes.
    pub(super) discarded: usize,
    /// Timeout for the peer to end the transport once all output is written.
    pub(super) timeout: Duration,
    /// Deadline for the peer to end the transport.
    pub(super) deadline: Option<Instant>,
}

impl<S: BackendSocket> ConnectionDriver<S> {
    pub(super) fn refuse<H>(&mut self, context: &mut WorkerContext<H>, error: &HandshakeError) {
        let DriverState::Opening(opening) = &mut self.state else { return };
        tracing::debug!(
            peer = %opening.peer(),
            error = error as &dyn std::error::Error,
            "request not upgraded"
        );
        RoleMetrics::of(Role::Server).count_refused(error);
        let mut writer = opening.writer.take().unwrap_or_else(|| context.lend());
        opening::refuse(error, writer.output.buffer());
        let deadline = opening.deadline();
        let timeout = context.settings.options.config.close_timeout;
        let ended =
            Ended { writer: Some(writer), in_flight: false, discarded: 0, timeout, deadline };
        self.state = DriverState::Ended(Box::new(ended));
        self.end = End::Linger;
    }

    /// Handles the end of the socket, or the failure of the socket with `error`.
    pub(crate) fn on_transport_end<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        error: Option<io::Error>,
    ) {
        match &self.state {
            DriverState::Open(_) => {
                self.fail(context, error.map_or(Error::Disconnected, Error::Io));
                self.end = End::Drop;
            }
            DriverState::Opening(opening) if opening.received() > 0 && error.is_none() => {
                self.refuse(context, &HandshakeError::Truncated { received: opening.received() });
                self.end = End::Drop;
            }
            // A peer that has ended its half may wait for the end of ours.
            DriverState::Opening(..) | DriverState::Ended(..) => self.end = End::Drop,
        }
    }

    pub(super) fn fail<H: Handler>(&mut self, context: &mut WorkerContext<H>, error: Error) {
        self.finish_connection(context, EndReason::Failed(error));
    }

    /// Ends the connection. Afterwards only its last frame is still to be written.
    #[cold]
    pub(super) fn finish_connection<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        reason: EndReason,
    ) {
        let DriverState::Open(connection) = &mut self.state else {
            self.end = End::Drop;
            return;
        };
        if let EndReason::Panicked(_) = reason {
            // A connection that is already closing sends no other close frame.
            let writer = connection.writer.get_or_insert_with(|| context.lend());
            let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR);
            let _ = connection.protocol.close(Some(&frame), writer.output.buffer());
        }
        connection.end(match &reason {
            EndReason::Closed(frame) => Error::Closed(frame.clone()),
            EndReason::Failed(error) => error.of_later_call(),
            EndReason::Aborted | EndReason::Panicked(_) => Error::Closed(None),
        });
        let aborted = matches!(reason, EndReason::Aborted);
        let frame = match reason {
            EndReason::Closed(frame) => {
                self.end = End::Finish;
                tracing::debug!(
                    id = %self.id,
                    code = frame.as_ref().map(|frame| u16::from(frame.code)),
                    "connection closed"
                );
                connection.metrics.on_close_received(frame.as_ref());
                frame
            }
            EndReason::Failed(error) => {
                self.end = match error {
                    Error::Protocol(_)
                    | Error::ClosedMidMessage(_)
                    | Error::TimedOut(TimedOut::MessageTooSlow) => End::Linger,
                    // The close frame that follows a keepalive timeout is written only as far as
                    // the system accepts it at once.
                    _ => End::Drop,
                };
                tracing::debug!(
                    id = %self.id,
                    error = &error as &dyn std::error::Error,
                    "connection failed"
                );
                connection.metrics.on_failed(&error);
                if let Err(panic) = call(|| context.handler.error(connection, &error)) {
                    context.on_panic(self.id, panic);
                }
                None
            }
            EndReason::Aborted => {
                self.end = End::Drop;
                tracing::debug!(id = %self.id, "connection dropped by its handler");
                None
            }
            EndReason::Panicked(panic) => {
                self.end = End::Linger;
                connection.metrics.on_panicked();
                context.on_panic(self.id, panic);
                None
            }
        };
        if let Err(panic) = call(|| context.handler.close(connection, frame.as_ref())) {
            context.on_panic(self.id, panic);
        }
        let mut writer = connection.writer.take();
        if let (true, Some(writer)) = (aborted, &mut writer) {
            writer.output = Output::default();
        }
        let timeout = connection.protocol.close_timeout();
        let in_flight = connection.is_in_flight();
        let ended = Ended { writer, in_flight, discarded: 0, timeout, deadline: None };
        self.state = DriverState::Ended(Box::new(ended));
        if self.blocked && self.stall.is_none() {
            self.wait_for_send_capacity(context, true);
        }
    }

    /// Handles the removal of the driver from the worker: a connection that is still open fails.
    pub(in crate::push::worker) fn on_removed<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
    ) {
        if let DriverState::Open(_) = &self.state {
            self.fail(context, Error::TimedOut(TimedOut::Closing));
        }
        if let Some(mut writer) = self.state.writer().take() {
            context.counts.add(&writer.counts.take());
            *writer = Writer::default();
            context.take_back(writer);
        }
    }

    /// Ends the writing half of a driver that is about to end, once the output `is_written`.
    /// Returns whether the driver is to be removed.
    pub(crate) fn finish(&mut self, is_written: bool) -> bool {
        match self.end {
            End::None => false,
            End::Drop => true,
            // The peer is gone.
            End::Finish | End::Linger if self.socket.is_broken() => true,
            End::Finish | End::Linger if !is_written => false,
            End::Finish | End::Linger => {
                self.socket.shut_down();
                self.end == End::Finish
            }
        }
    }
}
