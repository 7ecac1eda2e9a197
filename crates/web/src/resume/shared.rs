//! The state of a session that the stream and its task share.

use std::cell::{Cell, RefCell, RefMut};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_proto::resume::{Session, StreamState};

use super::Error;
use crate::timer::{self, Sleep};

/// The page's end of a session. Its task is the driver and the supervisor.
#[derive(Debug)]
pub(super) struct Shared {
    state: RefCell<StreamState<Error>>,
    /// `true` if the browser is online again, so that the task need not wait for its next attempt.
    is_online_again: Cell<bool>,
}

/// The reason why the task stops waiting for its client or its WebSocket.
#[derive(Debug)]
pub(super) enum Interrupt {
    /// The program asks for another WebSocket.
    Reconnect,
    /// The browser is online again.
    Online,
    /// The session has ended.
    Ended(Error),
}

impl Shared {
    pub(super) const fn new(session: Session) -> Self {
        let state = RefCell::new(StreamState::new(session, None));
        Self { state, is_online_again: Cell::new(false) }
    }

    pub(super) fn state(&self) -> RefMut<'_, StreamState<Error>> {
        self.state.borrow_mut()
    }

    /// Records that the WebSocket has ended.
    pub(super) fn detach(&self) {
        self.state().session.detach(timer::now());
    }

    /// Ends the delay before the task's next attempt.
    pub(super) fn on_online(&self) {
        let mut state = self.state();
        if !state.session.is_attached() {
            self.is_online_again.set(true);
            state.wake_driver();
        }
    }

    /// Waits for a reason to stop waiting for a WebSocket. A complete session ends with the
    /// server's close frame, and is none.
    pub(super) fn poll_interrupt(
        &self,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Interrupt> {
        loop {
            let mut state = self.state();
            state.set_driver(cx);
            let at = state.apply_deadlines(timer::now());
            if let Err(error) = state.check() {
                return Poll::Ready(Interrupt::Ended(error));
            }
            if state.take_reconnect() {
                return Poll::Ready(Interrupt::Reconnect);
            }
            if self.is_online_again.take() {
                return Poll::Ready(Interrupt::Online);
            }
            drop(state);
            ready!(timer.poll_until(at, cx));
        }
    }
}

/// A timer that exists while something waits for its time.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<(Duration, Sleep)>);

impl Timer {
    /// Waits until a time on the clock of [`timer::now`]. May return early for a time that is weeks
    /// away.
    pub(super) fn poll_until(&mut self, at: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.as_ref().map(|(due, _)| *due) != at {
            self.0 = at.map(|at| (at, Sleep::new(at.saturating_sub(timer::now()))));
        }
        let Some((_, sleep)) = &self.0 else { return Poll::Pending };
        ready!(sleep.poll(cx));
        self.0 = None;
        Poll::Ready(())
    }
}
