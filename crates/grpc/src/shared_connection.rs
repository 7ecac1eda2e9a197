//! The connection that all clones of a channel share. After a loss, the next call reestablishes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::{Authority, Scheme};
use tokio::sync::{Notify, watch};
use tonic::Status;

use crate::clock::{self, Instant};
use crate::connection::Sender;
use crate::connector::Connector;
use crate::{Backoff, ConnectError, status};

/// The connection of a channel, shared by all clones of the channel.
///
/// ```text
///            call                     success
///   Idle ───────────► Connecting ───────────────► Open
///                      ▲  ▲   │                   │  │
///        call, after   │  └───┼───────────────────┼──┘ lost after a response, then call
///        the delay     │      │ failure           │
///                      │      ▼                   │
///                      Failed ◄───────────────────┘ lost before any response, then call
/// ```
#[derive(Debug)]
pub(crate) struct SharedConnection {
    connector: Connector,
    backoff: Backoff,
    waits_for_ready: bool,
    /// Locked for reads and changes only, never across an await.
    state: Mutex<State>,
    /// Notified when [`SharedConnection::reset_backoff_now`] ends the delay that calls wait for.
    backoff_reset: Notify,
}

#[derive(Debug)]
enum State {
    Idle,
    /// An attempt is in progress in a task of its own, so dropping a call does not cancel it.
    Connecting(watch::Receiver<Outcome>),
    /// A connection, established after `failures` failed attempts in a row.
    Open {
        sender: Sender,
        failures: u32,
    },
    /// The last attempt failed, as did `earlier` attempts in a row before it. Until the delay has
    /// passed, calls fail at once, or wait with `waits_for_ready`.
    Failed(Failed),
}

#[derive(Clone, Debug)]
struct Failed {
    cause: Arc<ConnectError>,
    earlier: u32,
    until: Instant,
}

/// The outcome of an attempt; `None` while the attempt is in progress.
type Outcome = Option<Result<Sender, Arc<ConnectError>>>;

impl SharedConnection {
    /// Creates the connection of a new channel. `first` is the connection itself, if it is already
    /// open.
    ///
    /// With `waits_for_ready`, [`sender`](Self::sender) tries again until an attempt succeeds.
    pub(crate) fn new(
        connector: Connector,
        backoff: Backoff,
        waits_for_ready: bool,
        first: Option<Sender>,
    ) -> Arc<Self> {
        let state = first.map_or(State::Idle, |sender| State::Open { sender, failures: 0 });
        Arc::new(Self {
            connector,
            backoff,
            waits_for_ready,
            state: Mutex::new(state),
            backoff_reset: Notify::new(),
        })
    }

    /// Returns the scheme and authority of calls.
    pub(crate) fn origin(&self) -> &(Scheme, Authority) {
        &self.connector.origin
    }

    /// Ends the current delay between attempts, if any, and resets the count of failures.
    pub(crate) fn reset_backoff_now(&self) {
        let mut state = self.state();
        if matches!(*state, State::Failed(_)) {
            *state = State::Idle;
        }
        drop(state);
        self.backoff_reset.notify_waiters();
    }

    /// Returns a sender for the connection, and opens a connection if there is none. All calls that
    /// wait share one attempt.
    ///
    /// # Errors
    /// `unavailable` if the attempt failed, or if the delay after a failed attempt has not passed.
    /// With `waits_for_ready`, an attempt follows instead.
    ///
    /// # Cancel safety
    /// If the future is dropped, the attempt continues for other calls.
    pub(crate) async fn sender(self: &Arc<Self>) -> Result<Sender, Status> {
        loop {
            // Created before the state is read, so that a notification in between is not missed.
            let backoff_reset = self.backoff_reset.notified();
            let cause = match self.find() {
                Found::Sender(sender) => return Ok(sender),
                Found::Attempt(mut attempt) => {
                    // There is no outcome if the task was dropped, as when the runtime shuts down.
                    let outcome = attempt.wait_for(Option::is_some).await.ok();
                    let outcome = outcome.and_then(|known| known.clone());
                    match outcome.unwrap_or_else(|| Err(Arc::new(ConnectError::Closed))) {
                        Ok(sender) => return Ok(sender),
                        Err(cause) => cause,
                    }
                }
                Found::Backoff(Failed { until, .. }) if self.waits_for_ready => {
                    clock::before(&mut Some(clock::sleep_until(until)), backoff_reset).await;
                    continue;
                }
                Found::Backoff(Failed { cause, .. }) => cause,
            };
            if !self.waits_for_ready {
                return Err(status::unconnected(cause));
            }
        }
    }

    fn find(self: &Arc<Self>) -> Found {
        let mut state = self.state();
        let failures = match &*state {
            State::Open { sender, failures } if sender.is_closed() => match sender.ended_unused() {
                None => 0,
                // A connection lost before any response counts as a failed attempt.
                Some(ended) => {
                    let failed = self.failed(Arc::new(ConnectError::Closed), *failures, ended);
                    let next = failed.earlier.saturating_add(1);
                    if clock::now() < failed.until {
                        *state = State::Failed(failed.clone());
                        return Found::Backoff(failed);
                    }
                    next
                }
            },
            State::Open { sender, .. } => return Found::Sender(sender.clone()),
            State::Connecting(attempt) if attempt.has_changed().is_ok() => {
                return Found::Attempt(attempt.clone());
            }
            State::Failed(failed) if clock::now() < failed.until => {
                return Found::Backoff(failed.clone());
            }
            State::Failed(failed) => failed.earlier.saturating_add(1),
            State::Idle | State::Connecting(_) => 0,
        };
        let (outcome_sender, attempt) = watch::channel(None);
        *state = State::Connecting(attempt.clone());
        let connection = Arc::clone(self);
        clock::spawn(async move {
            let outcome = connection.attempt(failures).await;
            outcome_sender.send_replace(Some(outcome));
        });
        Found::Attempt(attempt)
    }

    /// Makes one connection attempt, after `failures` failed attempts in a row.
    async fn attempt(&self, failures: u32) -> Result<Sender, Arc<ConnectError>> {
        let outcome = self.connector.open().await.map_err(Arc::new);
        *self.state() = match &outcome {
            Ok(sender) => State::Open { sender: sender.clone(), failures },
            Err(cause) => State::Failed(self.failed(Arc::clone(cause), failures, clock::now())),
        };
        outcome
    }

    fn failed(&self, cause: Arc<ConnectError>, earlier: u32, at: Instant) -> Failed {
        Failed { cause, earlier, until: at + self.backoff.delay(earlier, clock::random()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves a consistent state behind: the state is replaced in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Found {
    Sender(Sender),
    Attempt(watch::Receiver<Outcome>),
    Backoff(Failed),
}
