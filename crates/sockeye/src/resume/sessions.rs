use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;
use sockeye_proto::resume::{
    Attach, EndReason, Frame, FrameError, Limits, ResumeError, SUBPROTOCOL, Session, Token,
};
use sockeye_proto::{CloseCode, MemoryBudget, Message};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::driver::{self, FIRST_FRAME_TIMEOUT, Outcome};
use super::shared::Shared;
use super::{Error, Listener, ResumableStream};
use crate::byte_stream::ACCEPT_TIMEOUT;
use crate::{WebSocket, random};

/// Number of sessions that wait to be accepted, that of a TCP listener's backlog.
const QUEUE: usize = 128;

/// Default of `max_sessions`. With the default limits and budget, memory runs out earlier if all of
/// them fill their buffers.
const DEFAULT_MAX_SESSIONS: usize = 10_000;

/// Default memory budget of all sessions, in bytes; that of the connections is as large.
const DEFAULT_BUDGET: usize = 256 << 20;

/// Returns a listener of new sessions, and the sessions, to which a server passes its WebSockets.
///
/// At most 128 new sessions wait to be accepted. When the queue stays full for 10 s, a new session
/// is refused with [`ResumeError::Full`].
pub fn listener() -> (Listener, ResumableSessions) {
    let (queue, streams) = mpsc::channel(QUEUE);
    let sessions = ResumableSessions {
        limits: Limits::new(),
        max_sessions: DEFAULT_MAX_SESSIONS,
        budget: MemoryBudget::new(DEFAULT_BUDGET),
        queue,
        registry: Arc::default(),
    };
    (Listener::new(streams), sessions)
}

/// The sessions of a server, bounded in number, memory and time without a WebSocket. Clones share
/// them.
///
/// A session that has ended is kept for [`Limits::expiry`] longer, without its buffers, so that a
/// client that comes late learns its end; a new session takes its place when there are too many.
#[derive(Clone)]
pub struct ResumableSessions {
    limits: Limits,
    max_sessions: usize,
    budget: MemoryBudget,
    queue: mpsc::Sender<ResumableStream>,
    registry: Arc<Registry>,
}

/// The sessions by the ids of their tokens.
#[derive(Debug, Default)]
struct Registry(Mutex<HashMap<u64, Entry>>);

#[derive(Clone, Debug)]
struct Entry {
    shared: Arc<Shared>,
    identity: Arc<str>,
}

impl ResumableSessions {
    /// Sets the limits of new sessions. Default: [`Limits::new`].
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the maximum number of sessions, with and without a WebSocket. Default: 10,000. Beyond
    /// it, a new session is refused with [`ResumeError::Full`].
    pub fn max_sessions(self, max_sessions: usize) -> Self {
        Self { max_sessions, ..self }
    }

    /// Sets the budget for the buffers of all sessions. Default: 256 MiB for these sessions alone.
    /// When it is used up, the session that holds the most ends with [`ResumeError::OverBudget`].
    pub fn memory_budget(self, budget: MemoryBudget) -> Self {
        Self { budget, ..self }
    }

    /// Returns the number of sessions, including those that have ended and are kept for clients
    /// that come late.
    pub fn len(&self) -> usize {
        self.registry.lock().len()
    }

    /// Returns whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Serves the session that the client begins or continues on this WebSocket, until the
    /// WebSocket has ended. A handler returns this future.
    ///
    /// `identity` is the client's identity, as the server has established it. Only a client of the
    /// same identity continues the session later. A program without identities passes the same text
    /// for all clients; the token alone then protects a session.
    ///
    /// # Errors
    /// The reason why the WebSocket was refused or ended. The session goes on where that is
    /// [`Error::Connection`].
    ///
    /// # Cancel safety
    /// Dropping the future drops the WebSocket. The session goes on without it, until the client
    /// attaches another one or the session expires.
    pub async fn serve(
        &self,
        mut ws: WebSocket,
        identity: impl AsRef<str> + Send,
    ) -> Result<(), Error> {
        let (shared, generation) = match self.attach(&mut ws, identity.as_ref()).await {
            Ok(attached) => attached,
            Err(Refused { reason, error }) => {
                match reason {
                    Some(reason) => driver::refuse(&mut ws, reason).await,
                    // The client may be gone; the error is returned in any case.
                    None => drop(ws.close(CloseCode::PROTOCOL_ERROR, "").await),
                }
                return Err(error);
            }
        };
        let attached = Attached { shared: &shared, generation };
        let outcome = driver::drive(&shared, generation, &mut ws).await;
        drop(attached);
        match outcome {
            Outcome::Lost(None) => Ok(()),
            Outcome::Lost(Some(error)) => Err(error.into()),
            // The client knows the end: it need not see the closing handshake. A server's session
            // is never asked to reconnect.
            Outcome::Complete | Outcome::Reconnect => {
                let _ = ws.close(CloseCode::NORMAL_CLOSURE, "").await;
                Ok(())
            }
            Outcome::Replaced => {
                driver::refuse(&mut ws, EndReason::REPLACED).await;
                Err(ResumeError::Replaced.into())
            }
            Outcome::Failed(error) => {
                let code = match &error {
                    Error::Session(error) => driver::close_code(error.reason()),
                    _ => CloseCode::NORMAL_CLOSURE,
                };
                let _ = ws.close(code, "").await;
                Err(error)
            }
        }
    }

    /// Reads the client's first frame, and returns its session and the number of this WebSocket.
    async fn attach(
        &self,
        ws: &mut WebSocket,
        identity: &str,
    ) -> Result<(Arc<Shared>, u64), Refused> {
        if ws.subprotocol() != Some(SUBPROTOCOL) {
            return Err(Refused { reason: None, error: Error::Subprotocol });
        }
        let Ok(received) = timeout(FIRST_FRAME_TIMEOUT, ws.recv()).await else {
            return Err(Refused { reason: None, error: crate::Error::Disconnected.into() });
        };
        let payload = match received {
            Ok(Some(Message::Binary(payload))) => payload,
            Ok(Some(Message::Text(_))) => return Err(FrameError::Text.into()),
            Ok(None) => {
                let error = Error::Closed(ws.close_frame().cloned());
                return Err(Refused { reason: None, error });
            }
            Err(error) => return Err(Refused { reason: None, error: error.into() }),
        };
        match Frame::decode(&payload)? {
            Frame::Hello { window } => {
                let (peer, data) = (ws.peer_addr(), ws.all_data().clone());
                Ok((self.begin(window, identity, peer, data).await?, 0))
            }
            Frame::Attach(attach) => self.resume(&attach, identity),
            frame => Err(FrameError::Unexpected { kind: frame.kind() }.into()),
        }
    }

    /// Begins a session.
    async fn begin(
        &self,
        window: u32,
        identity: &str,
        peer: Option<SocketAddr>,
        data: Extensions,
    ) -> Result<Arc<Shared>, Refused> {
        let token = Token::new(random::bytes());
        let session = Session::server(self.limits, token, window);
        let shared = Arc::new(Shared::new(session, Some(self.budget.charge())));
        let entry = Entry { shared: shared.clone(), identity: identity.into() };
        let owner = Some(entry.identity.clone());
        let stream = ResumableStream::new(shared.clone(), owner, peer, data);
        if !self.registry.insert(token.id(), entry, self.max_sessions) {
            return Err(ResumeError::Full.into());
        }
        tokio::spawn(supervise(self.registry.clone(), token, shared.clone()));
        // Dropping the stream, which a queue that stays full returns, ends the session.
        match self.queue.send_timeout(stream, ACCEPT_TIMEOUT).await {
            Ok(()) => Ok(shared),
            Err(_) => Err(ResumeError::Full.into()),
        }
    }

    /// Attaches the WebSocket to a session.
    fn resume(&self, attach: &Attach, identity: &str) -> Result<(Arc<Shared>, u64), Refused> {
        let entry = self.registry.lock().get(&attach.token.id()).cloned();
        let Some(Entry { shared, identity: owner }) = entry else {
            return Err(ResumeError::Unknown.into());
        };
        let mut state = shared.lock();
        let is_owner = state.session.token() == Some(&attach.token) && *owner == *identity;
        if !is_owner {
            tracing::warn!(token = ?attach.token, "a session was claimed by another identity, or with a wrong secret");
            return Err(Refused { reason: Some(EndReason::UNKNOWN), error: Error::NotTheOwner });
        }
        if let Err(error) = state.session.attach(attach) {
            state.account();
            state.wake_program();
            state.wake_driver();
            return Err(error.into());
        }
        state.generation += 1;
        let generation = state.generation;
        state.wake_driver();
        drop(state);
        Ok((shared, generation))
    }
}

/// Ends a session in time, and removes it when its end has been kept for long enough.
async fn supervise(registry: Arc<Registry>, token: Token, shared: Arc<Shared>) {
    shared.ended().await;
    let expiry = shared.lock().session.expiry();
    // A client may try to attach a WebSocket for as long.
    sleep(expiry).await;
    registry.lock().remove(&token.id());
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        // A panic cannot leave a partial change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session if there is a place for it.
    fn insert(&self, id: u64, entry: Entry, max_sessions: usize) -> bool {
        let mut sessions = self.lock();
        if sessions.len() >= max_sessions {
            sessions.retain(|_, entry| entry.shared.lock().ended().is_none());
        }
        // Two of 2⁶⁴ random ids may be equal: the client begins again then.
        if sessions.len() >= max_sessions || sessions.contains_key(&id) {
            return false;
        }
        sessions.insert(id, entry);
        true
    }
}

/// The reason of a refusal, as a frame for the client, and as an error for the program.
struct Refused {
    /// `None` if the client does not follow the protocol, or is gone.
    reason: Option<EndReason>,
    error: Error,
}

impl From<ResumeError> for Refused {
    fn from(error: ResumeError) -> Self {
        Self { reason: Some(error.reason()), error: error.into() }
    }
}

impl From<FrameError> for Refused {
    fn from(error: FrameError) -> Self {
        ResumeError::from(error).into()
    }
}

/// Detaches the WebSocket from its session when dropped, as the future that serves it may be.
struct Attached<'a> {
    shared: &'a Shared,
    generation: u64,
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.shared.detach(self.generation);
    }
}

impl fmt::Debug for ResumableSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableSessions")
            .field("len", &self.len())
            .field("max_sessions", &self.max_sessions)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
