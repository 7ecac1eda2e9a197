use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use sockeye_proto::{Connection, State, TimedOut};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::output::AsyncOutput;
use crate::transport::Transport;

/// The one timer of a connection, set to the next deadline of the protocol.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The state for which the deadline was computed: the deadline changes with the state, when the
    /// close frame is written, and when the deadline has passed.
    deadline_state: Option<State>,
    /// The waker registered with the sleep, so that not every wait has to register it again.
    waker: Option<Waker>,
}

impl Timer {
    /// Handles a deadline that has passed. Ready when output may have been added to `output`.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
        transport: &Transport,
        output: &mut AsyncOutput,
    ) -> Poll<Result<(), TimedOut>> {
        let state = connection.state();
        let closes = state != State::Open
            && output.is_flushed()
            && connection.on_close_written(Instant::now().into_std());
        if closes || self.deadline_state != Some(state) {
            self.update_deadline(connection, Instant::now());
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        let registered = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if registered && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        // A peer that never stops sending uses up the cooperative budget of the task, and without
        // budget a sleep neither registers its waker nor completes.
        if pin!(unconstrained(sleep.as_mut())).poll(cx).is_pending() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let now = Instant::now();
        for waited in [output.take_written(), transport.take_written()].into_iter().flatten() {
            connection.handle_written(waited);
        }
        let unwritten = output.len();
        let status = || transport.status(unwritten);
        connection.handle_timeout(now.into_std(), status, output.buffer())?;
        self.update_deadline(connection, now);
        Poll::Ready(Ok(()))
    }

    /// Sets the sleep to the next deadline of the protocol.
    fn update_deadline(&mut self, connection: &mut Connection, now: Instant) {
        self.deadline_state = Some(connection.state());
        self.waker = None;
        let deadline = connection.poll_timeout(now.into_std()).map(Instant::from_std);
        match (deadline, &mut self.sleep) {
            (Some(deadline), Some(sleep)) => sleep.as_mut().reset(deadline),
            (Some(deadline), None) => self.sleep = Some(Box::pin(sleep_until(deadline))),
            (None, _) => self.sleep = None,
        }
    }
}
