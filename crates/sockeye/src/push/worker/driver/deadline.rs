//! The deadlines of a driver: those of its stage, of its connection, and of output that waits.

use std::time::Instant;

use sockeye_proto::{State, TimedOut, TransportStatus};

use super::{BackendSocket, ConnectionDriver, DriverState, End, WorkerContext};
use crate::Error;
use crate::push::worker::flow::{EndReason, call};
use crate::push::{ConnectionId, Handler};

/// The stage of a driver, on which the driver's deadline depends: the deadline changes only when
/// the stage changes, or when the deadline is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeadlineStage {
    /// The deadline must be queried again.
    Unknown,
    Opening,
    Open,
    Closing,
    Ended,
}

impl<S: BackendSocket> ConnectionDriver<S> {
    /// Handles the deadlines that are due, if any.
    pub(in crate::push::worker) fn handle_timeout<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        now: Instant,
    ) {
        if self.is_stalled(context, now) {
            self.fail(context, Error::TimedOut(TimedOut::Writing));
            self.end = End::Drop;
            return;
        }
        let DriverState::Open(connection) = &mut self.state else {
            // The deadline for the request, or for the peer to end the transport.
            if self.deadline(now).is_some_and(|deadline| deadline <= now) {
                self.end = End::Drop;
            }
            return;
        };
        let (unwritten, paused) = (connection.unwritten() as u64, self.blocked);
        let socket = &self.socket;
        let status = || {
            let (acknowledged, in_system) = socket.delivery().unwrap_or_default();
            TransportStatus { acknowledged, unacknowledged: in_system + unwritten, paused }
        };
        let writer = connection.writer.get_or_insert_with(|| context.lend());
        let output = writer.output.buffer();
        if let Err(late) = connection.protocol.handle_timeout(now, status, output) {
            return self.fail(context, late.into());
        }
        if connection.take_due_tick(now) {
            if let Err(panic) = call(|| context.handler.tick(connection)) {
                return self.finish_connection(context, EndReason::Panicked(panic));
            }
        }
        if connection.protocol.is_mid_message() {
            self.charge(context);
        }
    }

    pub(in crate::push::worker) fn is_watched(&self, id: ConnectionId, at: Instant) -> bool {
        self.id == id && self.watched == Some(at)
    }

    /// Returns the next deadline, as far as it is known at `now`.
    pub(in crate::push::worker) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let unwritten = self.has_unwritten();
        self.deadline_stage = match self.deadline_stage() {
            // The timeout after the last frame begins when that frame is written.
            DeadlineStage::Closing | DeadlineStage::Ended if unwritten => DeadlineStage::Unknown,
            deadline_stage => deadline_stage,
        };
        let deadline = match &mut self.state {
            DriverState::Opening(opening) => opening.deadline(),
            DriverState::Open(connection) => {
                if !unwritten {
                    connection.protocol.on_close_written(now);
                }
                let due = connection.protocol.poll_timeout(now);
                [due, connection.tick()].into_iter().flatten().min()
            }
            DriverState::Ended(ended) => {
                if !unwritten && ended.deadline.is_none() {
                    ended.deadline = now.checked_add(ended.timeout);
                }
                ended.deadline
            }
        };
        [deadline, self.stall.as_ref().and_then(|stall| stall.deadline)].into_iter().flatten().min()
    }

    /// Returns whether the deadline must be queried again.
    #[inline]
    pub(in crate::push::worker) fn has_new_deadline(&self) -> bool {
        self.deadline_stage != self.deadline_stage()
    }

    #[inline]
    fn deadline_stage(&self) -> DeadlineStage {
        match &self.state {
            DriverState::Opening(..) => DeadlineStage::Opening,
            DriverState::Open(connection) if connection.protocol.state() == State::Open => {
                DeadlineStage::Open
            }
            DriverState::Open(_) => DeadlineStage::Closing,
            DriverState::Ended(..) => DeadlineStage::Ended,
        }
    }
}
