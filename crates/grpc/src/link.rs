//! The connection of a channel, which is made again when it is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
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
///                      ▲      │                     │
///        call, after   │      │ failure             │ lost, then call
///        the pause     │      ▼                     │
///                     Failed ◄                      │
///                      ▲                            │
///                      └───── Connecting ◄──────────┘
/// ```
#[derive(Debug)]
pub(crate) struct Link {
    endpoint: Endpoint,
    /// Locked for a look or a change only, never across a wait.
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// An attempt is under way, in a task of its own, so that no call that is dropped takes it along.
    Connecting(watch::Receiver<Outcome>),
    Open(Sender),
    /// The last attempt failed, as did `earlier` others before it. Calls fail at once until the pause is over.
    Failed {
        cause: Arc<ConnectError>,
        earlier: u32,
        until: Instant,
    },
}

/// What came of an attempt; `None` while it is under way.
type Outcome = Option<Result<Sender, Arc<ConnectError>>>;

impl Link {
    pub(crate) fn open(endpoint: Endpoint, sender: Sender) -> Arc<Self> {
        Arc::new(Self { endpoint, state: Mutex::new(State::Open(sender)) })
    }

    pub(crate) fn idle(endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self { endpoint, state: Mutex::new(State::Idle) })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A sender on the connection, which is made if there is none: one attempt serves all calls that wait for it.
    ///
    /// # Errors
    /// `unavailable` if the attempt failed, and without one while a pause after such a failure lasts.
    ///
    /// # Cancel safety
    /// The attempt goes on for others and for later.
    pub(crate) async fn sender(self: &Arc<Self>) -> Result<Sender, Status> {
        let mut attempt = match self.sender_or_attempt()? {
            Found::Sender(sender) => return Ok(sender),
            Found::Attempt(attempt) => attempt,
        };
        // Without an outcome if the task was taken away, as by a runtime that stops.
        let outcome = attempt.wait_for(Option::is_some).await.ok().and_then(|known| known.clone());
        outcome.unwrap_or_else(|| Err(Arc::new(ConnectError::Closed))).map_err(status::unconnected)
    }

    fn sender_or_attempt(self: &Arc<Self>) -> Result<Found, Status> {
        let mut state = self.state();
        let failures = match &*state {
            State::Open(sender) if !sender.is_closed() => {
                return Ok(Found::Sender(sender.clone()));
            }
            State::Connecting(attempt) if attempt.has_changed().is_ok() => {
                return Ok(Found::Attempt(attempt.clone()));
            }
            State::Failed { cause, until, .. } if clock::now() < *until => {
                return Err(status::unconnected(Arc::clone(cause)));
            }
            State::Failed { earlier, .. } => earlier.saturating_add(1),
            State::Idle | State::Open(_) | State::Connecting(_) => 0,
        };
        let (tell, attempt) = watch::channel(None);
        *state = State::Connecting(attempt.clone());
        let link = Arc::clone(self);
        clock::spawn(async move {
            let outcome = link.attempt(failures).await;
            tell.send_replace(Some(outcome));
        });
        Ok(Found::Attempt(attempt))
    }

    /// One attempt to connect, after `failures` in a row that failed.
    async fn attempt(&self, failures: u32) -> Result<Sender, Arc<ConnectError>> {
        let outcome = self.endpoint.open().await.map_err(Arc::new);
        *self.state() = match &outcome {
            Ok(sender) => State::Open(sender.clone()),
            Err(cause) => State::Failed {
                cause: Arc::clone(cause),
                earlier: failures,
                until: clock::now() + self.endpoint.pause(failures),
            },
        };
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left a whole state behind: it is replaced in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Found {
    Sender(Sender),
    Attempt(watch::Receiver<Outcome>),
}
