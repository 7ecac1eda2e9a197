//! Output that waits for its peer, as long as the peer accepts some of it within each write
//! timeout.

use std::time::{Duration, Instant};

use sockeye_proto::Charge;

use super::{BackendSocket, ConnectionDriver, DeadlineStage, DriverState, End, WorkerContext};
use crate::push::Handler;

/// The state of output that waits for its peer.
pub(super) struct Stall {
    /// Deadline for the peer to accept some of the output.
    pub(super) deadline: Option<Instant>,
    /// Number of bytes that the peer had acknowledged when its last progress was seen.
    acknowledged: u64,
    /// Charge of the output to the memory budget of the server.
    charge: Charge,
}

impl<S: BackendSocket> ConnectionDriver<S> {
    /// Records that the system accepts no more output for now; `progress` is `true` if the system
    /// accepted some since the last attempt.
    #[cold]
    pub(crate) fn wait_for_send_capacity<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        progress: bool,
    ) {
        self.blocked = true;
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            // Encrypted output has left the connection's own output, and still counts as unwritten.
            let sealed = tls.output().len();
            if sealed > 0 {
                self.set_in_flight(sealed);
            }
        }
        if progress || self.stall.is_none() {
            self.await_progress(context, Instant::now());
        }
        self.charge_unwritten(context);
    }

    /// Charges output that waits for the peer to the memory budget of the server. A connection that
    /// the budget has chosen is dropped: no close frame would reach the peer.
    #[cold]
    pub(super) fn charge_unwritten<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        let held = self.held();
        let Some(Stall { charge, .. }) = self.stall.as_deref_mut() else { return };
        match charge.set(held) {
            Ok(()) if charge.needs_waker() => charge.wake_by(&context.workers.waker(self.id)),
            Ok(()) => {}
            Err(error) => {
                self.fail(context, error.into());
                self.end = End::Drop;
            }
        }
    }

    fn held(&mut self) -> usize {
        match &mut self.state {
            DriverState::Open(connection) => connection.unwritten() + connection.backlog_len(),
            DriverState::Ended(ended) => {
                ended.writer.as_ref().map_or(0, |writer| writer.output.len())
            }
            DriverState::Opening(_) => 0,
        }
    }

    /// Restarts the timeout for the peer to accept more output.
    fn await_progress<H>(&mut self, context: &WorkerContext<H>, now: Instant) {
        let deadline = self.write_timeout(context).and_then(|timeout| now.checked_add(timeout));
        let acknowledged = if deadline.is_some() { self.acknowledged() } else { 0 };
        let charge = match self.stall.take() {
            Some(stall) => stall.charge,
            None => context.settings.options.memory_budget.charge(),
        };
        self.stall = Some(Box::new(Stall { deadline, acknowledged, charge }));
        self.deadline_stage = DeadlineStage::Unknown;
    }

    fn write_timeout<H>(&self, context: &WorkerContext<H>) -> Option<Duration> {
        let config = &context.settings.options.config;
        match &self.state {
            // The wait for the last frames of a connection that is over always has a bound.
            DriverState::Ended(_) => config.write_timeout.or(Some(config.close_timeout)),
            DriverState::Opening(_) | DriverState::Open(_) => config.write_timeout,
        }
    }

    fn acknowledged(&self) -> u64 {
        self.socket.delivery().map_or(0, |(acknowledged, _)| acknowledged)
    }

    /// Sets how much output, in bytes, has left the connection's own output and is not sent.
    #[cfg(any(feature = "tls", all(feature = "io-uring", target_os = "linux")))]
    #[inline]
    pub(crate) fn set_in_flight(&mut self, length: usize) {
        match &mut self.state {
            DriverState::Open(connection) => connection.set_in_flight(length),
            DriverState::Ended(ended) => ended.in_flight = length > 0,
            DriverState::Opening(_) => {}
        }
    }

    /// Ends the wait: all output was accepted, or is not to be written any more. Returns whether
    /// there was a wait.
    #[inline]
    pub(crate) fn end_wait(&mut self) -> bool {
        if self.blocked {
            self.blocked = false;
            self.stall = None;
            return true;
        }
        false
    }

    /// Returns whether output is unwritten, either in the driver or on its way to the system.
    pub(super) fn has_unwritten(&mut self) -> bool {
        let waits = match &self.state {
            DriverState::Open(connection) => connection.unwritten() > 0,
            DriverState::Ended(ended) => {
                ended.in_flight
                    || ended.writer.as_ref().is_some_and(|writer| !writer.output.is_empty())
            }
            DriverState::Opening(_) => false,
        };
        #[cfg(feature = "tls")]
        let waits = waits || self.tls.as_mut().is_some_and(|tls| !tls.output().is_empty());
        waits
    }

    /// Returns whether the peer has accepted no output for too long. Acknowledgements show
    /// progress: the system has send capacity again only when a large part of its buffer,
    /// megabytes, was acknowledged, and on a slow line the peer makes progress long before that.
    pub(super) fn is_stalled<H>(&mut self, context: &WorkerContext<H>, now: Instant) -> bool {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let Some(stall) = self.stall.as_ref().filter(|stall| is_due(stall.deadline)) else {
            return false;
        };
        if self.acknowledged() <= stall.acknowledged {
            return true;
        }
        self.await_progress(context, now);
        false
    }
}
