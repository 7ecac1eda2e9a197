//! The state of one end that the stream, the driver of its WebSocket and the supervisor share.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_proto::Charge;
use sockeye_proto::resume::{ResumeError, Session};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Error;

/// Length of bytes that no WebSocket has taken, from which the records of `mux` wait, equal to the
/// output that a WebSocket holds. A stream of a higher priority waits for no more than both.
pub(super) const MAX_UNSENT: u64 = 64 * 1024;

/// One end of a session.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// The origin of the times passed to the session.
    epoch: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) session: Session,
    /// The error that ended a client besides that of the session.
    failure: Option<Error>,
    /// `true` if both programs had read everything: no later error matters.
    pub(super) is_complete: bool,
    /// `true` if the client's task is to open another WebSocket at once.
    must_reconnect: bool,
    /// The number of the WebSocket that is attached, or was the last.
    pub(super) generation: u64,
    /// The charge to the server's memory budget.
    charge: Option<Charge>,
    /// The time at which the program dropped the stream.
    dropped_at: Option<Duration>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// The driver of the attached WebSocket.
    pub(super) driver: Option<Waker>,
    supervisor: Option<Waker>,
}

impl Shared {
    pub(super) fn new(session: Session, charge: Option<Charge>) -> Self {
        let state = State {
            session,
            failure: None,
            is_complete: false,
            must_reconnect: false,
            generation: 0,
            charge,
            dropped_at: None,
            reader: None,
            writer: None,
            driver: None,
            supervisor: None,
        };
        Self { state: Mutex::new(state), epoch: Instant::now() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave a partial change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current time, as the session expects it.
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Ends the stream with an error, unless it has ended.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.lock();
        if state.ended().is_none() {
            state.failure = Some(error);
            state.wake_program();
        }
    }

    /// Records that the WebSocket of this generation has ended.
    pub(super) fn detach(&self, generation: u64) {
        let now = self.now();
        let mut state = self.lock();
        if state.generation == generation {
            state.session.detach(now);
            wake(&mut state.supervisor);
        }
    }

    /// Asks a client's task for another WebSocket.
    pub(super) fn reconnect(&self) {
        let mut state = self.lock();
        state.must_reconnect = true;
        state.wake_driver();
    }

    /// Waits until the session has ended, and ends it when it has expired or was dropped for as
    /// long as that.
    pub(super) async fn ended(&self) {
        let mut timer = pin!(Timer::default());
        poll_fn(|cx| {
            loop {
                let mut state = self.lock();
                set_waker(&mut state.supervisor, cx);
                if let Some(charge) = &mut state.charge {
                    charge.wake_by(cx.waker());
                }
                let at = state.apply_deadlines(self.now());
                if state.ended().is_some() {
                    return Poll::Ready(());
                }
                drop(state);
                if timer.poll_until(at.map(|at| self.epoch + at), cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Waits until a time that the session stated.
    pub(super) fn poll_until(
        &self,
        timer: &mut Timer,
        at: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        timer.poll_until(at.map(|at| self.epoch + at), cx)
    }
}

impl State {
    /// Returns the error with which the program's calls fail.
    pub(super) fn error(&self) -> Option<Error> {
        self.ended().and_then(Result::err)
    }

    /// Returns whether and how the session has ended.
    pub(super) fn ended(&self) -> Option<Result<(), Error>> {
        if self.is_complete {
            return Some(Ok(()));
        }
        let error = self.session.error().map(Error::from);
        error.or_else(|| self.failure.clone()).map(Err)
    }

    /// Returns whether the program has read everything.
    pub(super) fn is_read(&self) -> bool {
        self.is_complete || self.session.is_read()
    }

    /// Returns whether the client's task is to open another WebSocket, which it then does.
    pub(super) const fn take_reconnect(&mut self) -> bool {
        std::mem::replace(&mut self.must_reconnect, false)
    }

    /// Charges the buffers to the memory budget, which may end the session.
    pub(super) fn account(&mut self) {
        let held = self.session.memory();
        let Some(charge) = &mut self.charge else { return };
        if charge.set(held).is_err() {
            self.session.fail(ResumeError::OverBudget);
            // A session that has ended holds nothing. Its charge stays closed.
            let _ = charge.set(self.session.memory());
            self.wake_program();
            self.wake_driver();
        } else if charge.needs_waker() {
            wake(&mut self.supervisor);
        }
    }

    /// Ends a session whose time has passed, or that was chosen to release its memory. Returns the
    /// next time at which to call this.
    pub(super) fn apply_deadlines(&mut self, now: Duration) -> Option<Duration> {
        if self.ended().is_some() {
            return None;
        }
        if self.charge.as_ref().is_some_and(Charge::is_chosen) {
            self.account();
        }
        let linger = self.dropped_at.map(|at| at.saturating_add(self.session.expiry()));
        if linger.is_some_and(|at| at <= now) {
            self.session.fail(ResumeError::Reset);
        }
        self.session.handle_timeout(now);
        if self.session.error().is_some() {
            self.account();
            self.wake_program();
            self.wake_driver();
            return None;
        }
        let expiry = if self.session.is_attached() { None } else { self.session.poll_timeout() };
        linger.into_iter().chain(expiry).min()
    }

    /// Lets go of the stream. What was written before the shutdown still arrives, if the other
    /// program reads it in time; without a shutdown the session ends.
    pub(super) fn drop_stream(&mut self, now: Duration) {
        self.dropped_at = Some(now);
        if !self.is_complete {
            if self.session.is_finished() {
                self.session.discard_input(now);
            } else {
                self.session.fail(ResumeError::Reset);
            }
            self.account();
        }
        self.wake_driver();
    }

    /// Wakes the program's calls that wait.
    pub(super) fn wake_program(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// Wakes the call that waits to write.
    pub(super) fn wake_writer(&mut self) {
        wake(&mut self.writer);
    }

    /// Wakes the tasks that serve the session.
    pub(super) fn wake_driver(&mut self) {
        wake(&mut self.driver);
        wake(&mut self.supervisor);
    }
}

/// Stores the task's waker.
pub(super) fn set_waker(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// A timer that exists from its first use.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll_until(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}
