use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use sockeye_proto::{CloseCode, Message, Prepared, UsageError, Utf8Bytes};

use super::command_queue::{Command, Workers};
use super::{Broadcaster, ConnectionId};
use crate::Error;
use crate::websocket::ClosePayload;

/// The connection is over.
const CLOSED: u8 = 1;
/// [`Handle::close`] was called.
const CLOSE_ASKED: u8 = 2;
/// [`Handle::abort`] was called.
const ABORT_ASKED: u8 = 4;

/// A way to a connection from any thread, at any time: what is asked for is done by the connection's worker.
///
/// Messages and events from one thread arrive in the order in which they were sent. What is sent to a connection that is over is
/// refused with [`HandleError::Closed`], and what was on its way to the worker by then is lost silently.
/// [`Handler::close`](super::Handler::close) is where to forget a handle.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What all handles of one connection share.
#[derive(Debug)]
struct Shared {
    id: ConnectionId,
    workers: Arc<Workers>,
    state: AtomicU8,
    /// What the connection ended with.
    end: OnceLock<Arc<Error>>,
}

impl Handle {
    pub(super) fn new(id: ConnectionId, workers: Arc<Workers>) -> Self {
        let state = AtomicU8::new(0);
        Self { shared: Arc::new(Shared { id, workers, state, end: OnceLock::new() }) }
    }

    /// Whose handle it is.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// Returns whether the connection is over: [`Handler::close`](super::Handler::close) has returned, or the server has
    /// stopped. Whatever is sent from then on goes nowhere. The opposite may be outdated by the time it is returned.
    pub fn is_closed(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Sends a message. Whether the connection has room for it is known only to its worker, which drops it if there is
    /// none: see [`Server::max_unwritten`](super::Server::max_unwritten).
    ///
    /// # Errors
    /// [`HandleError::Closed`], [`HandleError::Full`], [`HandleError::Stopped`].
    pub fn send(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.post_letter(Command::Send(self.id(), message.into()))
    }

    /// Sends a prepared message, as [`send`](Self::send): nothing is encoded or compressed that was so before.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.post_letter(Command::SendPrepared(self.id(), prepared.clone()))
    }

    /// Sends a ping with at most 125 bytes of payload.
    ///
    /// # Errors
    /// [`HandleError::Usage`] for a longer one, and as [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), HandleError> {
        if payload.len() > sockeye_proto::frame::MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: payload.len() }.into());
        }
        self.post_letter(Command::Ping(self.id(), payload.into()))
    }

    /// Posts an event to the connection: its worker calls [`Handler::event`](super::Handler::event) with it, where the
    /// connection, its data and the handler's state are at hand.
    ///
    /// The answer of a database, a user's permissions that have changed, a job of another thread that is done: whatever a
    /// callback could not wait for. An event counts by its own size among what waits for the worker
    /// ([`Server::max_command_bytes`](super::Server::max_command_bytes)), without what it owns elsewhere. A connection that is over drops it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn post(&self, event: impl Any + Send) -> Result<(), HandleError> {
        self.post_letter(Command::Event(self.id(), Box::new(event)))
    }

    /// Begins the closing handshake, after what was sent before. It is never refused for want of room. The first call decides
    /// with which code. 1005 with an empty reason sends an empty close frame.
    ///
    /// # Errors
    /// [`HandleError::Usage`] for a code that must not be sent or a reason of more than 123 bytes,
    /// [`HandleError::Stopped`].
    pub fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<(), HandleError> {
        let payload = ClosePayload::new(code, reason)?;
        self.ask_once(CLOSE_ASKED, Command::Close(self.id(), payload))
    }

    /// Drops the connection without a closing handshake, and with it what is unwritten. It is never refused for want of room.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub fn abort(&self) -> Result<(), HandleError> {
        self.ask_once(ABORT_ASKED, Command::Abort(self.id()))
    }

    /// Sends a message to all connections of the server that are open, as [`Broadcaster::broadcast`] does.
    ///
    /// # Errors
    /// As [`send`](Self::send), when some worker did not take it; the others did.
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// As [`broadcast`](Self::broadcast), of a message that was prepared before.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.shared.workers.broadcast(prepared)
    }

    /// Returns a way to all connections of the server.
    pub fn broadcaster(&self) -> Broadcaster {
        Broadcaster::new(self.shared.workers.clone())
    }

    /// Notes that the connection is over.
    pub(super) fn on_closed(&self) {
        self.shared.state.fetch_or(CLOSED, Ordering::Release);
    }

    /// Notes what the connection ended with.
    pub(super) fn on_end(&self, end: Arc<Error>) {
        self.shared.end.get_or_init(|| end);
    }

    fn post_letter(&self, command: Command) -> Result<(), HandleError> {
        if let Some(end) = self.shared.end.get() {
            self.shared.workers.check_running(self.id())?;
            return Err(HandleError::Closed(end.clone()));
        }
        self.shared.workers.post(self.id(), command)
    }

    /// Posts what a command queue takes however full it is, at most once: this bounds how much of it there can be.
    fn ask_once(&self, asked: u8, command: Command) -> Result<(), HandleError> {
        if self.shared.state.fetch_or(asked, Ordering::Relaxed) & asked != 0 {
            return self.shared.workers.check_running(self.id());
        }
        self.shared.workers.post(self.id(), command)
    }
}

/// Why a worker was not told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandleError {
    /// The protocol forbids it.
    Usage(UsageError),
    /// The connection is over, by this error; after a closing handshake it is [`Error::Closed`] with what the peer's close frame
    /// said.
    Closed(Arc<Error>),
    /// The worker is behind: as much as [`Server::max_command_bytes`](super::Server::max_command_bytes) allows waits for it.
    Full,
    /// The server has stopped.
    Stopped,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "the WebSocket protocol forbids this: {error}"),
            Self::Closed(error) => error.fmt(f),
            Self::Full => {
                f.write_str("the connection's worker is behind and takes no more for now")
            }
            Self::Stopped => f.write_str("the server has stopped"),
        }
    }
}

impl std::error::Error for HandleError {}

impl From<UsageError> for HandleError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}
