use std::any::Any;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use sockeye_proto::{CloseCode, Message, Prepared, UsageError, Utf8Bytes};

use super::command_queue::{Command, Workers};
use super::handle_error::HandleError;
use super::send_capacity::{SendCapacity, wire_bound};
use super::{Broadcaster, ConnectionId};
use crate::close_payload::ClosePayload;
use crate::{Error, Multicast};

/// Flag: the connection is over.
const CLOSED: u8 = 1;
/// Flag: [`Handle::close`] was called.
const CLOSE_REQUESTED: u8 = 2;
/// Flag: [`Handle::abort`] was called.
const ABORT_REQUESTED: u8 = 4;

/// A handle to a connection, for any thread at any time: the connection's worker executes its
/// commands.
///
/// Messages and events from one thread arrive in the order in which they were sent. A handle
/// refuses commands with [`HandleError::Closed`] once the connection is over; commands that are
/// queued at that time are lost silently. Use [`Handler::close`](super::Handler::close) to drop
/// stored handles.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// State shared by all handles of one connection.
#[derive(Debug)]
struct Shared {
    id: ConnectionId,
    workers: Arc<Workers>,
    state: AtomicU8,
    /// Error that the connection ended with.
    end: OnceLock<Arc<Error>>,
    capacity: SendCapacity,
}

impl Handle {
    pub(super) fn new(id: ConnectionId, workers: Arc<Workers>) -> Self {
        let state = AtomicU8::new(0);
        let (end, capacity) = (OnceLock::new(), SendCapacity::new());
        Self { shared: Arc::new(Shared { id, workers, state, end, capacity }) }
    }

    /// Returns the id of the connection.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// Returns whether the connection is over: [`Handler::close`](super::Handler::close) has
    /// returned, or the server has stopped. Nothing sent afterwards reaches the peer. `false` may
    /// be outdated by the time it is returned.
    pub fn is_closed(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Sends a message. Only the connection's worker knows whether the connection has send
    /// capacity, and drops the message if there is none: see
    /// [`Server::max_unwritten`](super::Server::max_unwritten).
    ///
    /// # Errors
    /// [`HandleError::Closed`], [`HandleError::Full`], [`HandleError::Stopped`].
    pub fn send(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.post_command(Command::Send(self.id(), message.into()))
    }

    /// Sends a prepared message like [`send`](Self::send), without encoding or compressing it
    /// again.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.shared.capacity.reserve(wire_bound(prepared.len()));
        self.post_prepared(prepared)
    }

    /// Sends a prepared message like [`send_prepared`](Self::send_prepared), unless the prepared
    /// messages of this connection's handles would then exceed
    /// [`Server::max_unwritten`](super::Server::max_unwritten). A message that is taken is not
    /// dropped by the worker for want of send capacity, provided that the connection sends nothing
    /// but messages of this method. One message is taken whatever its length.
    ///
    /// # Errors
    /// Same as [`send`](Self::send). [`HandleError::Full`] also when the peer does not read: until
    /// all output was written.
    pub fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.try_reserve(wire_bound(prepared.len()))?;
        self.post_prepared(prepared)
    }

    /// Adds the connection to a multicast, on the conditions of
    /// [`try_send_prepared`](Self::try_send_prepared). The message takes its place among the
    /// messages of this thread when the multicast is [sent](Multicast::send): with one command for
    /// each worker, however many of the worker's connections were added. Each worker writes the
    /// message to its connections together with the other output of its turn.
    ///
    /// # Errors
    /// Same as [`try_send_prepared`](Self::try_send_prepared). The capacity of a worker is checked
    /// when its first connection is added, and its command is then queued in any case: such
    /// commands exceed [`Server::max_command_bytes`](super::Server::max_command_bytes) by at most
    /// one for each thread.
    pub fn try_send_multicast(&self, multicast: &mut Multicast) -> Result<(), HandleError> {
        self.check_open()?;
        let size = wire_bound(multicast.prepared().len());
        self.try_reserve(size)?;
        if multicast.worker_lists().add(&self.shared.workers, self.id()) {
            return Ok(());
        }
        self.shared.capacity.cancel(size);
        self.shared.workers.check_running(self.id())?;
        Err(HandleError::Full)
    }

    /// Waits until [`try_send_prepared`](Self::try_send_prepared) may take a message of `length`
    /// bytes: the connection and the queue of its worker have capacity, or the connection is over.
    /// Others may use the capacity up meanwhile. The worker wakes the task.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time, and has no effect on others that wait.
    pub async fn wait_for_capacity(&self, length: usize) {
        let Shared { capacity, workers, .. } = &*self.shared;
        let is_over = || self.is_closed() || self.shared.end.get().is_some();
        capacity
            .wait_until(|| {
                is_over() || capacity.has_capacity(wire_bound(length), workers.max_unwritten)
            })
            .await;
        if !is_over() {
            workers.wait_for_capacity(self.id()).await;
        }
    }

    /// Returns the size of the prepared messages of this connection's handles that are not known to
    /// be written, which are those since the worker had last written all output. Each counts with
    /// what its header and its compression may add, which is an eighth and 16 bytes.
    pub fn unwritten(&self) -> usize {
        self.shared.capacity.unwritten()
    }

    /// Counts a prepared message as posted, if the connection has capacity.
    #[inline]
    fn try_reserve(&self, size: usize) -> Result<(), HandleError> {
        if self.shared.capacity.try_reserve(size, self.shared.workers.max_unwritten) {
            return Ok(());
        }
        Err(self.refused())
    }

    /// Returns the reason for which the connection has no capacity.
    #[cold]
    fn refused(&self) -> HandleError {
        // A connection that is over writes nothing more.
        self.check_open().err().unwrap_or(HandleError::Full)
    }

    /// Posts a prepared message that is counted as posted.
    fn post_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        let posted = self.post_command(Command::SendPrepared(self.id(), prepared.clone()));
        if posted.is_err() {
            self.shared.capacity.cancel(wire_bound(prepared.len()));
        }
        posted
    }

    /// Sends a ping with at most 125 bytes of payload.
    ///
    /// # Errors
    /// [`HandleError::Usage`] for a longer payload, and the errors of [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), HandleError> {
        if payload.len() > sockeye_proto::frame::MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: payload.len() }.into());
        }
        self.post_command(Command::Ping(self.id(), payload.into()))
    }

    /// Posts an event to the connection. The worker passes it to
    /// [`Handler::event`](super::Handler::event), which has access to the connection, its data and
    /// the handler's state.
    ///
    /// Events carry results that a callback could not wait for: the answer of a database, a change
    /// of a user's permissions, the result of a job on another thread. An event counts by its size
    /// in memory, without heap data, toward
    /// [`Server::max_command_bytes`](super::Server::max_command_bytes). A connection that is over
    /// drops the event.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    pub fn post(&self, event: impl Any + Send) -> Result<(), HandleError> {
        self.post_command(Command::Event(self.id(), Box::new(event)))
    }

    /// Begins the closing handshake, after everything that was sent before. A full command queue
    /// never refuses `close`. The first call decides the code and the reason. 1005 with an empty
    /// reason sends an empty close frame.
    ///
    /// # Errors
    /// [`HandleError::Usage`] for a code that must not be sent or a reason of more than 123 bytes,
    /// [`HandleError::Stopped`].
    pub fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<(), HandleError> {
        self.close_with(ClosePayload::new(code, reason)?)
    }

    pub(crate) fn close_with(&self, payload: ClosePayload) -> Result<(), HandleError> {
        self.post_once(CLOSE_REQUESTED, Command::Close(self.id(), payload))
    }

    /// Drops the connection without a closing handshake, and discards unwritten output. A full
    /// command queue never refuses `abort`.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub fn abort(&self) -> Result<(), HandleError> {
        self.post_once(ABORT_REQUESTED, Command::Abort(self.id()))
    }

    /// Sends a message to all open connections of the server, like [`Broadcaster::broadcast`].
    ///
    /// # Errors
    /// Same as [`Broadcaster::broadcast`].
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// Sends a prepared message to all open connections, like [`broadcast`](Self::broadcast).
    ///
    /// # Errors
    /// Same as [`broadcast`](Self::broadcast).
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.shared.workers.broadcast(prepared)
    }

    /// Returns a [`Broadcaster`] to all connections of the server.
    pub fn broadcaster(&self) -> Broadcaster {
        Broadcaster::new(self.shared.workers.clone())
    }

    /// Records that the connection is over.
    pub(super) fn on_closed(&self) {
        self.shared.state.fetch_or(CLOSED, Ordering::Release);
        self.shared.capacity.notify_waiters();
    }

    /// Records the error that the connection ended with.
    pub(super) fn on_end(&self, end: Arc<Error>) {
        self.shared.end.get_or_init(|| end);
        self.shared.capacity.notify_waiters();
    }

    /// Returns the send capacity of the connection, for its worker.
    pub(super) fn capacity(&self) -> &SendCapacity {
        &self.shared.capacity
    }

    fn post_command(&self, command: Command) -> Result<(), HandleError> {
        self.check_open()?;
        self.shared.workers.post(self.id(), command)
    }

    /// Returns an error if the connection is known to be over.
    #[inline]
    fn check_open(&self) -> Result<(), HandleError> {
        let Some(end) = self.shared.end.get() else { return Ok(()) };
        self.shared.workers.check_running(self.id())?;
        Err(HandleError::Closed(end.clone()))
    }

    /// Posts a command that bypasses the limit of the command queue, at most once per connection:
    /// this bounds the number of such commands.
    fn post_once(&self, flag: u8, command: Command) -> Result<(), HandleError> {
        if self.shared.state.fetch_or(flag, Ordering::Relaxed) & flag != 0 {
            return self.shared.workers.check_running(self.id());
        }
        self.shared.workers.post(self.id(), command)
    }
}
