//! The state of a session that its handles and its driver share.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use sockeye_proto::Charge;
use sockeye_proto::mux::{Direction, Event, Multiplexer, StreamId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::SessionError;

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// The origin of the times passed to the state machine.
    pub(super) epoch: Instant,
    opened: [Notify; 2],
    available: [Notify; 2],
    datagram: Notify,
    ended: Notify,
    released: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) mux: Multiplexer,
    /// Whether the driver has let go of the transport.
    is_released: bool,
    /// The error that ended the session besides the end of the state machine.
    failure: Option<SessionError>,
    driver: Option<Waker>,
    /// The charge to the program's memory budget.
    charge: Option<Charge>,
    readers: HashMap<StreamId, Waker>,
    writers: HashMap<StreamId, Waker>,
}

/// The changes that calls of a [`Session`](super::Session) wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Opened(Direction),
    Available(Direction),
    Datagram,
    Ended,
}

impl Shared {
    pub(super) fn new(mux: Multiplexer, epoch: Instant) -> Self {
        let state = State {
            mux,
            is_released: false,
            failure: None,
            driver: None,
            charge: None,
            readers: HashMap::new(),
            writers: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            epoch,
            opened: [Notify::new(), Notify::new()],
            available: [Notify::new(), Notify::new()],
            datagram: Notify::new(),
            ended: Notify::new(),
            released: Notify::new(),
        }
    }

    /// Returns the current time, as the state machine expects it.
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave a partial change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the state machine, and wakes the tasks that this concerns, the driver included.
    pub(super) fn call<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        self.update(|state| {
            let result = call(state);
            if state.mux.has_output() {
                wake(state.driver.take());
            }
            result
        })
    }

    /// Calls the state machine from the driver, and wakes the tasks that this concerns.
    pub(super) fn update<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = call(&mut state);
        state.account();
        self.handle_events(&mut state);
        result
    }

    /// Waits until `poll` returns a value or the session has ended. `poll` is called after each
    /// change of this kind.
    pub(super) async fn wait<T>(
        &self,
        change: Change,
        mut poll: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, SessionError> {
        loop {
            let mut changed = pin!(self.notify(change).notified());
            changed.as_mut().enable();
            let (value, error) = self.call(|state| (poll(state), state.error()));
            match (value, error) {
                (Some(value), _) => return Ok(value),
                (None, Some(error)) => return Err(error),
                (None, None) => changed.await,
            }
        }
    }

    /// Ends the session because its transport has ended.
    pub(super) fn end_transport(&self, failure: Option<SessionError>) {
        self.call(|state| {
            if state.mux.end().is_none() {
                state.failure = failure;
            }
            state.mux.on_transport_ended();
        });
    }

    /// Records that the driver has let go of the transport.
    pub(super) fn release(&self) {
        self.lock().is_released = true;
        self.released.notify_waiters();
    }

    pub(super) async fn wait_until_released(&self) {
        loop {
            let mut released = pin!(self.released.notified());
            released.as_mut().enable();
            if self.lock().is_released {
                return;
            }
            released.await;
        }
    }

    fn notify(&self, change: Change) -> &Notify {
        match change {
            Change::Opened(direction) => &self.opened[index(direction)],
            Change::Available(direction) => &self.available[index(direction)],
            Change::Datagram => &self.datagram,
            Change::Ended => &self.ended,
        }
    }

    fn handle_events(&self, state: &mut State) {
        while let Some(event) = state.mux.poll_event() {
            match event {
                Event::Readable(id) => wake(state.readers.remove(&id)),
                Event::Writable(id) => wake(state.writers.remove(&id)),
                Event::Opened(direction) => self.notify(Change::Opened(direction)).notify_waiters(),
                Event::Available(direction) => {
                    self.notify(Change::Available(direction)).notify_waiters();
                }
                Event::Datagram => self.datagram.notify_waiters(),
                _ => self.wake_all(state),
            }
        }
    }

    fn wake_all(&self, state: &mut State) {
        for notify in self.opened.iter().chain(&self.available) {
            notify.notify_waiters();
        }
        self.datagram.notify_waiters();
        self.ended.notify_waiters();
        let wakers = state.readers.drain().chain(state.writers.drain());
        wakers.for_each(|(_, waker)| waker.wake());
        wake(state.driver.take());
    }
}

impl State {
    /// Returns the error with which calls fail, once the session has ended.
    pub(super) fn error(&self) -> Option<SessionError> {
        let end = self.mux.end()?;
        Some(self.failure.clone().unwrap_or_else(|| end.into()))
    }

    /// Returns the error with which calls fail. The session has ended.
    pub(super) fn end_error(&self) -> SessionError {
        self.error().unwrap_or(SessionError::Disconnected)
    }

    pub(super) fn set_charge(&mut self, charge: Charge) {
        self.charge = Some(charge);
    }

    /// Wakes the driver when the memory budget chooses the session.
    pub(super) fn watch_budget(&mut self, cx: &Context<'_>) {
        if let Some(charge) = &mut self.charge {
            charge.wake_by(cx.waker());
        }
    }

    /// Charges the data to the memory budget, which may end the session.
    fn account(&mut self) {
        let Some(charge) = &mut self.charge else { return };
        if charge.set(self.mux.memory()).is_err() {
            self.mux.exceed_budget();
            self.charge = None;
        } else if charge.needs_waker() {
            wake(self.driver.take());
        }
    }

    pub(super) fn set_driver(&mut self, cx: &Context<'_>) {
        match &mut self.driver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    pub(super) fn set_reader(&mut self, id: StreamId, cx: &Context<'_>) {
        self.readers.insert(id, cx.waker().clone());
    }

    pub(super) fn set_writer(&mut self, id: StreamId, cx: &Context<'_>) {
        self.writers.insert(id, cx.waker().clone());
    }

    pub(super) fn release_send(&mut self, id: StreamId) {
        self.writers.remove(&id);
        self.mux.release_send(id);
    }

    pub(super) fn release_receive(&mut self, id: StreamId) {
        self.readers.remove(&id);
        self.mux.release_receive(id);
    }
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Bidirectional => 0,
        Direction::Unidirectional => 1,
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
