//! The state of a session that the stream and its task share.

use std::cell::{RefCell, RefMut};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use sockeye_proto::resume::{ResumeError, Session};

use super::Error;
use crate::timer::{self, Sleep};

/// The page's end of a session.
#[derive(Debug)]
pub(super) struct Shared(RefCell<State>);

#[derive(Debug)]
pub(super) struct State {
    pub(super) session: Session,
    /// The error that ended the stream besides that of the session.
    failure: Option<Error>,
    /// `true` if both programs had read everything: no later error matters.
    pub(super) is_complete: bool,
    /// `true` if the task is to open another WebSocket at once.
    must_reconnect: bool,
    /// `true` if the browser is online again, so that the task need not wait for its next attempt.
    is_online_again: bool,
    /// The time at which the program dropped the stream.
    dropped_at: Option<Duration>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// The task that serves the session.
    pub(super) task: Option<Waker>,
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
        Self(RefCell::new(State {
            session,
            failure: None,
            is_complete: false,
            must_reconnect: false,
            is_online_again: false,
            dropped_at: None,
            reader: None,
            writer: None,
            task: None,
        }))
    }

    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// Ends the stream with an error, unless it has ended.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state();
        if state.ended().is_none() {
            state.failure = Some(error);
            state.wake_program();
        }
    }

    /// Records that the WebSocket has ended.
    pub(super) fn detach(&self) {
        self.state().session.detach(timer::now());
    }

    /// Asks the task for another WebSocket.
    pub(super) fn reconnect(&self) {
        let mut state = self.state();
        state.must_reconnect = true;
        state.wake_task();
    }

    /// Ends the delay before the task's next attempt.
    pub(super) fn on_online(&self) {
        let mut state = self.state();
        if !state.session.is_attached() {
            state.is_online_again = true;
            state.wake_task();
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
            set_waker(&mut state.task, cx);
            let at = state.apply_deadlines(timer::now());
            if let Some(error) = state.error() {
                return Poll::Ready(Interrupt::Ended(error));
            }
            if state.take_reconnect() {
                return Poll::Ready(Interrupt::Reconnect);
            }
            if std::mem::take(&mut state.is_online_again) {
                return Poll::Ready(Interrupt::Online);
            }
            drop(state);
            ready!(timer.poll_until(at, cx));
        }
    }
}

impl State {
    /// Returns the error with which the program's calls fail.
    pub(super) fn error(&self) -> Option<Error> {
        self.ended().and_then(Result::err)
    }

    /// Returns whether and how the session has ended.
    fn ended(&self) -> Option<Result<(), Error>> {
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

    /// Returns whether the task is to open another WebSocket, which it then does.
    pub(super) const fn take_reconnect(&mut self) -> bool {
        std::mem::replace(&mut self.must_reconnect, false)
    }

    /// Ends a session whose time has passed. Returns the next time at which to call this.
    pub(super) fn apply_deadlines(&mut self, now: Duration) -> Option<Duration> {
        if self.ended().is_some() {
            return None;
        }
        let linger = self.dropped_at.map(|at| at.saturating_add(self.session.expiry()));
        if linger.is_some_and(|at| at <= now) {
            self.session.fail(ResumeError::Reset);
        }
        self.session.handle_timeout(now);
        if self.session.error().is_some() {
            self.wake_program();
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
        }
        self.wake_task();
    }

    /// Wakes the program's calls that wait.
    pub(super) fn wake_program(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// Wakes the task that serves the session.
    pub(super) fn wake_task(&mut self) {
        wake(&mut self.task);
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
