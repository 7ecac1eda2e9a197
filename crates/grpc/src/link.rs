//! The connection of a channel, which is made again when it is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tonic::Status;

use crate::clock::{self, Instant};
use crate::connection::Sender;
use crate::endpoint::Endpoint;
use crate::{ConnectError, status};

/// What all clones of a channel share.
///
/// ```text
///            call                     success
///   Idle ───────────► Connecting ───────────────► Open
///                      ▲      │                   │  │
///        call, after   │      │ failure           │  │ lost after an answer, then call
///        the pause     │      ▼                   │  │
///                     Failed ◄────────────────────┘  │
///                      ▲       lost before any answer│
///                      └───── Connecting ◄───────────┘
/// ```
#[derive(Debug)]
pub(crate) struct Link {
    endpoint: Endpoint,
    /// Locked for a look or a change only, never across a wait.
    state: Mutex<State>,
    /// Tells the calls that wait for the end of a pause.
    pause_cut: Notify,
}

#[derive(Debug)]
enum State {
    Idle,
    /// An attempt is under way, in a task of its own, so that no call that is dropped takes it along.
    Connecting(watch::Receiver<Outcome>),
    /// A connection, before which `failures` attempts in a row came to nothing.
    Open {
        sender: Sender,
        failures: u32,
    },
    /// The last attempt failed, as did `earlier` others before it. Calls fail at once, or wait, until the pause is over.
    Failed(Failed),
}

#[derive(Clone, Debug)]
struct Failed {
    cause: Arc<ConnectError>,
    earlier: u32,
    until: Instant,
}

/// What came of an attempt; `None` while it is under way.
type Outcome = Option<Result<Sender, Arc<ConnectError>>>;

impl Link {
    pub(crate) fn open(endpoint: Endpoint, sender: Sender) -> Arc<Self> {
        Self::new(endpoint, State::Open { sender, failures: 0 })
    }

    pub(crate) fn idle(endpoint: Endpoint) -> Arc<Self> {
        Self::new(endpoint, State::Idle)
    }

    fn new(endpoint: Endpoint, state: State) -> Arc<Self> {
        Arc::new(Self { endpoint, state: Mutex::new(state), pause_cut: Notify::new() })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Ends the pause, if one lasts, and forgets the failures before it.
    pub(crate) fn cut_pause(&self) {
        let mut state = self.state();
        if matches!(*state, State::Failed(_)) {
            *state = State::Idle;
        }
        drop(state);
        self.pause_cut.notify_waiters();
    }

    /// A sender on the connection, which is made if there is none: one attempt serves all calls that wait for it.
    ///
    /// # Errors
    /// `unavailable` if the attempt failed, and without one while a pause after such a failure lasts; none where the
    /// endpoint [waits for ready](Endpoint::wait_for_ready).
    ///
    /// # Cancel safety
    /// The attempt goes on for others and for later.
    pub(crate) async fn sender(self: &Arc<Self>) -> Result<Sender, Status> {
        loop {
            // Made before the look, so that a pause that is cut in between is noticed.
            let pause_cut = self.pause_cut.notified();
            let cause = match self.find() {
                Found::Sender(sender) => return Ok(sender),
                Found::Attempt(mut attempt) => {
                    // Without an outcome if the task was taken away, as by a runtime that stops.
                    let outcome = attempt.wait_for(Option::is_some).await.ok();
                    let outcome = outcome.and_then(|known| known.clone());
                    match outcome.unwrap_or_else(|| Err(Arc::new(ConnectError::Closed))) {
                        Ok(sender) => return Ok(sender),
                        Err(cause) => cause,
                    }
                }
                Found::Pause(Failed { until, .. }) if self.endpoint.is_patient() => {
                    clock::before(&mut Some(clock::sleep_until(until)), pause_cut).await;
                    continue;
                }
                Found::Pause(Failed { cause, .. }) => cause,
            };
            if !self.endpoint.is_patient() {
                return Err(status::unconnected(cause));
            }
        }
    }

    fn find(self: &Arc<Self>) -> Found {
        let mut state = self.state();
        let failures = match &*state {
            State::Open { sender, failures } if sender.is_closed() => match sender.ended_unused() {
                None => 0,
                // It came to nothing, as an attempt does that fails.
                Some(ended) => {
                    let failed = self.failed(Arc::new(ConnectError::Closed), *failures, ended);
                    let next = failed.earlier.saturating_add(1);
                    if clock::now() < failed.until {
                        *state = State::Failed(failed.clone());
                        return Found::Pause(failed);
                    }
                    next
                }
            },
            State::Open { sender, .. } => return Found::Sender(sender.clone()),
            State::Connecting(attempt) if attempt.has_changed().is_ok() => {
                return Found::Attempt(attempt.clone());
            }
            State::Failed(failed) if clock::now() < failed.until => {
                return Found::Pause(failed.clone());
            }
            State::Failed(failed) => failed.earlier.saturating_add(1),
            State::Idle | State::Connecting(_) => 0,
        };
        let (tell, attempt) = watch::channel(None);
        *state = State::Connecting(attempt.clone());
        let link = Arc::clone(self);
        clock::spawn(async move {
            let outcome = link.attempt(failures).await;
            tell.send_replace(Some(outcome));
        });
        Found::Attempt(attempt)
    }

    /// One attempt to connect, after `failures` in a row that failed.
    async fn attempt(&self, failures: u32) -> Result<Sender, Arc<ConnectError>> {
        let outcome = self.endpoint.open().await.map_err(Arc::new);
        *self.state() = match &outcome {
            Ok(sender) => State::Open { sender: sender.clone(), failures },
            Err(cause) => State::Failed(self.failed(Arc::clone(cause), failures, clock::now())),
        };
        outcome
    }

    fn failed(&self, cause: Arc<ConnectError>, earlier: u32, at: Instant) -> Failed {
        Failed { cause, earlier, until: at + self.endpoint.pause(earlier) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left a whole state behind: it is replaced in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Found {
    Sender(Sender),
    Attempt(watch::Receiver<Outcome>),
    Pause(Failed),
}
