use std::fmt;
use std::time::Duration;

use super::attempts::Attempts;
use super::event::EventQueue;
use super::{Backoff, Event, requested_delay};
use crate::{CloseFrame, Message};

#[cfg(test)]
mod tests;

/// A client that reconnects, without clock, randomness and sockets: the outcomes of attempts and
/// connections go in, events for the program and an [`Action`] for the driver come out.
///
/// ```text
///       start           delay passed          connected         close
/// Idle ───────► Waiting ────────────► Connecting ───────► Open ───────► Closing
///                ▲   ▲                  │                  │               │
///                │   └──────────────────┤ failed           │ closed, lost  │ closed, lost
///                └──────────────────────┼──────────────────┤               │
///                                       ▼                  ▼               ▼
///                                    Stopped            Stopped         Stopped
/// ```
///
/// A failed attempt and an ended connection lead to `Stopped` if their reason is permanent, or if
/// the [`Backoff`] allows no further attempt. [`end`](Self::end) leads to `Stopped` from any state,
/// and [`reconnect`](Self::reconnect) to `Waiting` from any but the last two.
///
/// A driver carries out each action before it calls another method, and passes the errors `C` of
/// its attempts and `E` of its connections. Times are durations since a moment that the driver
/// chooses once, and `random` is 64 random bits. The argument `retry` is the minimum delay that the
/// server requests, zero if it requests none, and `None` if no attempt may follow.
pub struct StateMachine<C, E> {
    state: State,
    attempts: Attempts,
    events: EventQueue<C, E>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There was no attempt.
    Idle,
    /// An attempt is scheduled.
    Waiting,
    /// An attempt is in progress.
    Connecting,
    /// The connection has been open since this time.
    Open { since: Duration },
    /// The program closes the connection.
    Closing,
    /// There will be no further connection.
    Stopped,
}

/// The task of the driver of a [`StateMachine`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action<C, E> {
    /// Drop the connection or attempt, if any, and start a timer. Once the delay has passed, call
    /// [`StateMachine::on_delay_passed`].
    Wait {
        /// The number of the scheduled attempt.
        attempt: u32,
        /// The delay before the attempt.
        delay: Duration,
    },
    /// Begin the attempt with this number. At its end, call [`StateMachine::on_connected`] or
    /// [`StateMachine::on_failed`].
    Connect(u32),
    /// Drop the connection or attempt, if any: there will be no other.
    Stop(StopReason<C, E>),
}

/// The reason why a [`StateMachine`] has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason<C, E> {
    /// The connection was closed permanently, by the program or by the server. [`Event::Closed`]
    /// reports a closing handshake.
    Closed,
    /// An attempt failed for a permanent reason.
    Failed(C),
    /// The connection was lost while the program closed it, or for a permanent reason.
    Lost(E),
    /// The [`Backoff`] allows no further attempt.
    GaveUp {
        /// The number of attempts made in a row.
        attempts: u32,
        /// The outcome of the last attempt: [`Event::Failed`], [`Event::Lost`] or
        /// [`Event::Closed`].
        last: Event<C, E>,
    },
}

impl<C, E> StateMachine<C, E> {
    /// Creates a state machine without attempts.
    pub const fn new(backoff: Backoff) -> Self {
        Self { state: State::Idle, attempts: Attempts::new(backoff), events: EventQueue::new() }
    }

    /// Replaces the backoff for later attempts.
    pub const fn set_backoff(&mut self, backoff: Backoff) {
        self.attempts.set_backoff(backoff);
    }

    /// Returns the next event for the program. The last 40 events other than messages are kept.
    pub fn poll_event(&mut self) -> Option<Event<C, E>> {
        self.events.pop()
    }

    /// Returns whether there will be no further connection.
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// Schedules the first attempt, which begins at once.
    pub fn start(&mut self, now: Duration) -> Action<C, E> {
        self.attempts.begin(now);
        self.wait(Duration::ZERO)
    }

    /// Begins the attempt whose delay has passed.
    pub const fn on_delay_passed(&mut self) -> Action<C, E> {
        self.state = State::Connecting;
        Action::Connect(self.attempts.count())
    }

    /// Handles the success of an attempt.
    pub fn on_connected(&mut self, now: Duration) {
        self.state = State::Open { since: now };
        self.events.push(Event::Connected);
    }

    /// Handles the failure of an attempt.
    pub fn on_failed(
        &mut self,
        error: C,
        retry: Option<Duration>,
        now: Duration,
        random: u64,
    ) -> Action<C, E> {
        match retry {
            None => self.stop(StopReason::Failed(error)),
            Some(requested) => self.schedule(requested, Event::Failed(error), now, random),
        }
    }

    /// Keeps a message for [`poll_event`](Self::poll_event).
    pub fn on_message(&mut self, message: Message) {
        self.events.push(Event::Message(message));
    }

    /// Returns the size of the kept messages, in bytes: their lengths plus the overhead of an event
    /// each.
    pub const fn kept_messages_size(&self) -> usize {
        self.events.messages_size()
    }

    /// Handles the end of a connection by a closing handshake. `reopens` is whether a new
    /// connection may end differently than with this close frame of the server.
    pub fn on_closed(
        &mut self,
        frame: Option<CloseFrame>,
        reopens: bool,
        now: Duration,
        random: u64,
    ) -> Action<C, E> {
        if self.state == State::Closing || !reopens {
            self.events.push(Event::Closed(frame));
            return self.stop(StopReason::Closed);
        }
        let requested = frame.as_ref().map_or(Duration::ZERO, requested_delay);
        self.schedule(requested, Event::Closed(frame), now, random)
    }

    /// Handles the loss of a connection without a closing handshake.
    pub fn on_lost(
        &mut self,
        error: E,
        retry: Option<Duration>,
        now: Duration,
        random: u64,
    ) -> Action<C, E> {
        match retry.filter(|_| self.state != State::Closing) {
            None => self.stop(StopReason::Lost(error)),
            Some(requested) => self.schedule(requested, Event::Lost(error), now, random),
        }
    }

    /// Schedules an attempt that begins at once: the current one if it is delayed or in progress,
    /// or the next one if there is a connection, which is reported as [lost](Event::Lost). Returns
    /// `None` while the connection is being closed, and at the end.
    pub fn reconnect(&mut self, lost: E, now: Duration) -> Option<Action<C, E>> {
        match self.state {
            State::Closing | State::Stopped => return None,
            State::Open { .. } => {
                self.end_connection(now);
                self.events.push(Event::Lost(lost));
                self.attempts.begin(now);
            }
            State::Idle => self.attempts.begin(now),
            // The attempt was counted when it was scheduled.
            State::Waiting | State::Connecting => {}
        }
        Some(self.wait(Duration::ZERO))
    }

    /// Records that the program closes the connection, if there is one: the state machine ends with
    /// the connection. The driver closes the connection, and then calls [`end`](Self::end). If the
    /// program dropped the future that closes the connection, the driver calls
    /// [`on_closed`](Self::on_closed) or [`on_lost`](Self::on_lost) instead.
    pub fn close(&mut self) {
        if let State::Open { .. } = self.state {
            self.state = State::Closing;
        }
    }

    /// Ends the state machine for the program, and drops all events.
    pub fn end(&mut self) -> Action<C, E> {
        self.events.clear();
        self.stop(StopReason::Closed)
    }

    /// Reports the end of an attempt or connection, and schedules the next attempt unless the limit
    /// of attempts is reached.
    fn schedule(
        &mut self,
        requested: Duration,
        event: Event<C, E>,
        now: Duration,
        random: u64,
    ) -> Action<C, E> {
        self.end_connection(now);
        match self.attempts.next_attempt(now, requested, random) {
            Some(delay) => {
                self.events.push(event);
                self.wait(delay)
            }
            None => self.stop(StopReason::GaveUp { attempts: self.attempts.count(), last: event }),
        }
    }

    fn end_connection(&mut self, now: Duration) {
        if let State::Open { since } = self.state {
            self.attempts.on_closed(now.saturating_sub(since));
        }
    }

    /// Begins the delay before the scheduled attempt.
    fn wait(&mut self, delay: Duration) -> Action<C, E> {
        let attempt = self.attempts.count();
        self.state = State::Waiting;
        self.events.push(Event::Scheduled { attempt, delay });
        Action::Wait { attempt, delay }
    }

    fn stop(&mut self, reason: StopReason<C, E>) -> Action<C, E> {
        self.state = State::Stopped;
        Action::Stop(reason)
    }
}

impl<C, E> fmt::Debug for StateMachine<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMachine")
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
