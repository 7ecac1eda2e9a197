//! The state of one end that the stream, the driver of its WebSocket and the supervisor share.

use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_proto::Charge;
use sockeye_proto::resume::{Session, StreamState};
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
    stream: StreamState<Error>,
    /// The number of the WebSocket that is attached, or was the last.
    pub(super) generation: u64,
}

impl Deref for State {
    type Target = StreamState<Error>;

    fn deref(&self) -> &StreamState<Error> {
        &self.stream
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut StreamState<Error> {
        &mut self.stream
    }
}

impl Shared {
    pub(super) fn new(session: Session, charge: Option<Charge>) -> Self {
        let state = State { stream: StreamState::new(session, charge), generation: 0 };
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

    /// Records that the WebSocket of this generation has ended.
    pub(super) fn detach(&self, generation: u64) {
        let now = self.now();
        let mut state = self.lock();
        if state.generation == generation {
            state.session.detach(now);
            state.wake_supervisor();
        }
    }

    /// Waits until the session has ended, and ends it when it has expired or was dropped for as
    /// long as that.
    pub(super) async fn ended(&self) {
        let mut timer = pin!(Timer::default());
        poll_fn(|cx| {
            loop {
                let mut state = self.lock();
                state.set_supervisor(cx);
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
