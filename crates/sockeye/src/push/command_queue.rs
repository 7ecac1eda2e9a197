//! Commands of other threads to a worker.

#[cfg(all(test, loom))]
mod models;

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::{self, Wake};

use sockeye_proto::{Message, Prepared};

use super::{ConnectionId, HandleError};
use crate::close_payload::ClosePayload;
use crate::sync::{Mutex, MutexGuard, Notify};

/// Size that a command counts in addition to its payload, in bytes: about its size in memory.
const COMMAND_SIZE: usize = 64;

/// A command to a worker.
#[derive(Debug)]
pub(super) enum Command {
    Send(ConnectionId, Message),
    SendPrepared(ConnectionId, Prepared),
    Ping(ConnectionId, Vec<u8>),
    Event(ConnectionId, Box<dyn Any + Send>),
    Close(ConnectionId, ClosePayload),
    Abort(ConnectionId),
    /// Sends a message to connections of this worker.
    Multicast(Vec<ConnectionId>, Prepared),
    Broadcast(Prepared),
    /// The memory budget is used up, and has chosen the connection to release its memory.
    ReleaseMemory(ConnectionId),
    Stop,
}

impl Command {
    /// Returns whether a full command queue accepts the command, so that a flooding peer can still
    /// be disconnected. The number of such commands is bounded: a [`Handle`](super::Handle) posts
    /// each once in the life of its connection, a connection is chosen to release its memory once
    /// for its input and once for its output, and a server is stopped once. A multicast was
    /// accepted before, and each thread has one at a time.
    const fn bypasses_limit(&self) -> bool {
        matches!(
            self,
            Self::Multicast(..)
                | Self::Close(..)
                | Self::Abort(_)
                | Self::ReleaseMemory(_)
                | Self::Stop
        )
    }

    fn size(&self) -> usize {
        COMMAND_SIZE
            + match self {
                Self::Send(_, message) => message.len(),
                Self::SendPrepared(_, prepared) | Self::Broadcast(prepared) => prepared.len(),
                Self::Multicast(connections, prepared) => {
                    size_of_val(&**connections) + prepared.len()
                }
                Self::Ping(_, payload) => payload.len(),
                Self::Event(_, event) => size_of_val(&**event),
                Self::Close(_, payload) => payload.frame().map_or(0, |frame| frame.reason.len()),
                Self::Abort(_) | Self::ReleaseMemory(_) | Self::Stop => 0,
            }
    }
}

/// A function that makes a worker check its command queue.
pub(super) type Waker = Box<dyn Fn() + Send + Sync>;

/// The command queue of one worker: bounded in bytes, many writers and one reader.
pub(super) struct CommandQueue {
    inner: Mutex<Inner>,
    waker: Waker,
    limit: usize,
    /// Notifies the tasks that wait for capacity.
    capacity: Notify,
}

#[derive(Default)]
struct Inner {
    commands: Vec<Command>,
    size: usize,
    /// Set while the worker waits, or is about to: the next command must wake it.
    waiting: bool,
    /// Set while a task may wait for capacity.
    awaited: bool,
    stage: QueueStage,
}

/// The stage of a command queue.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum QueueStage {
    #[default]
    Open,
    /// A stop was posted.
    Stopping,
    /// The worker has ended.
    Closed,
}

impl CommandQueue {
    pub(super) fn new(waker: Waker, limit: usize) -> Self {
        Self { inner: Mutex::default(), waker, limit, capacity: Notify::new() }
    }

    pub(super) fn post(&self, command: Command) -> Result<(), HandleError> {
        let mut inner = self.lock();
        if inner.stage == QueueStage::Closed {
            return Err(HandleError::Stopped);
        }
        if inner.size >= self.limit && !command.bypasses_limit() {
            return Err(HandleError::Full);
        }
        if matches!(command, Command::Stop)
            && mem::replace(&mut inner.stage, QueueStage::Stopping) == QueueStage::Stopping
        {
            return Ok(());
        }
        inner.size += command.size();
        inner.commands.push(command);
        let waiting = mem::take(&mut inner.waiting);
        drop(inner);
        if waiting {
            (self.waker)();
        }
        Ok(())
    }

    /// Takes all commands; if there are none, records that the worker waits from now on.
    pub(super) fn take_or_sleep(&self, commands: &mut Vec<Command>) {
        let mut inner = self.lock();
        if inner.commands.is_empty() {
            inner.waiting = true;
            return;
        }
        mem::swap(commands, &mut inner.commands);
        inner.size = 0;
        if mem::take(&mut inner.awaited) {
            drop(inner);
            self.capacity.notify_waiters();
        }
    }

    /// Returns whether the queue has capacity, and so accepts a multicast.
    fn has_capacity(&self) -> bool {
        let inner = self.lock();
        inner.size < self.limit && inner.stage != QueueStage::Closed
    }

    /// Waits until the queue may have capacity, or is closed.
    async fn wait_for_capacity(&self) {
        loop {
            // The future is notified from its creation on.
            let notified = self.capacity.notified();
            {
                let mut inner = self.lock();
                if inner.size < self.limit || inner.stage == QueueStage::Closed {
                    return;
                }
                inner.awaited = true;
            }
            notified.await;
        }
    }

    /// Records that the worker is awake.
    pub(super) fn wake(&self) {
        self.lock().waiting = false;
    }

    /// Returns whether the worker has ended.
    fn is_closed(&self) -> bool {
        self.lock().stage == QueueStage::Closed
    }

    /// Closes the queue: the worker reads no more commands.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.stage = QueueStage::Closed;
        inner.commands = Vec::new();
        drop(inner);
        self.capacity.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CommandQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandQueue").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// All workers of a server, as seen by the senders of commands.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) command_queues: Vec<CommandQueue>,
    /// Maximum unwritten output of a connection before further messages are dropped, in bytes.
    pub(super) max_unwritten: usize,
}

/// A waker that notifies a connection's worker that the connection is to release its memory.
struct ReleaseMemory {
    id: ConnectionId,
    workers: Arc<Workers>,
}

impl Wake for ReleaseMemory {
    fn wake(self: Arc<Self>) {
        // A worker that has stopped has closed the connection.
        let _ = self.workers.post(self.id, Command::ReleaseMemory(self.id));
    }
}

impl Workers {
    /// Returns a waker for the memory budget, which notifies a connection that it is to release its
    /// memory.
    pub(super) fn waker(self: &Arc<Self>, id: ConnectionId) -> task::Waker {
        task::Waker::from(Arc::new(ReleaseMemory { id, workers: self.clone() }))
    }

    pub(super) fn post(&self, id: ConnectionId, command: Command) -> Result<(), HandleError> {
        let command_queue = self.command_queues.get(id.worker()).ok_or(HandleError::Stopped)?;
        command_queue.post(command)
    }

    /// Returns whether the connection's worker accepts a multicast, which may then be posted in any
    /// case.
    pub(super) fn accept_multicast(&self, id: ConnectionId) -> bool {
        self.command_queues.get(id.worker()).is_some_and(CommandQueue::has_capacity)
    }

    /// Waits until the queue of the connection's worker may have capacity, or is closed.
    pub(super) async fn wait_for_capacity(&self, id: ConnectionId) {
        if let Some(command_queue) = self.command_queues.get(id.worker()) {
            command_queue.wait_for_capacity().await;
        }
    }

    /// Sends a message to all connections.
    pub(super) fn broadcast(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.post_to_all(|| Command::Broadcast(prepared.clone()))
    }

    /// Returns an error unless the connection's worker runs.
    pub(super) fn check_running(&self, id: ConnectionId) -> Result<(), HandleError> {
        match self.command_queues.get(id.worker()) {
            Some(command_queue) if !command_queue.is_closed() => Ok(()),
            _ => Err(HandleError::Stopped),
        }
    }

    /// Posts a command to every worker that accepts it. Returns the error of the first that did
    /// not.
    pub(super) fn post_to_all(&self, command: impl Fn() -> Command) -> Result<(), HandleError> {
        let mut posted = Ok(());
        for command_queue in &self.command_queues {
            posted = posted.and(command_queue.post(command()));
        }
        posted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sockeye_proto::CloseCode;

    use super::*;

    #[test]
    fn a_sleeping_worker_is_woken_once_and_a_full_queue_refuses() {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let waker = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let command_queue = CommandQueue::new(waker, 2 * COMMAND_SIZE + 10);
        let command = || Command::Broadcast(Prepared::new("12345"));
        let mut commands = Vec::new();
        command_queue.post(command()).unwrap();
        assert_eq!(woken.load(Ordering::Relaxed), 0, "it is awake");
        command_queue.take_or_sleep(&mut commands);
        assert_eq!(mem::take(&mut commands).len(), 1);
        command_queue.take_or_sleep(&mut commands);
        assert!(commands.is_empty());
        command_queue.post(command()).unwrap();
        command_queue.post(command()).unwrap();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(matches!(command_queue.post(command()), Err(HandleError::Full)));
        let id = ConnectionId::new(0, 0, 0);
        let payload = ClosePayload(Some(CloseCode::GOING_AWAY.into()));
        command_queue.post(Command::Close(id, payload)).unwrap();
        command_queue.post(Command::Abort(id)).unwrap();
        for _ in 0..10 {
            command_queue.post(Command::Stop).unwrap();
        }
        command_queue.take_or_sleep(&mut commands);
        assert_eq!(commands.len(), 5, "a server is stopped once");
        command_queue.post(command()).unwrap();
        command_queue.close();
        assert!(matches!(command_queue.post(command()), Err(HandleError::Stopped)));
    }

    #[test]
    fn an_accepted_multicast_is_posted_and_counted_by_its_list() {
        let queue = CommandQueue::new(Box::new(|| ()), 2 * COMMAND_SIZE);
        let connections = vec![ConnectionId::new(0, 0, 0); 8];
        let multicast = || Command::Multicast(connections.clone(), Prepared::new(""));
        assert!(queue.has_capacity());
        queue.post(multicast()).unwrap();
        assert!(!queue.has_capacity(), "eight ids are as large as a command");
        // It was accepted while there was capacity.
        queue.post(multicast()).unwrap();
        let ping = Command::Ping(connections[0], Vec::new());
        assert!(matches!(queue.post(ping), Err(HandleError::Full)));
        let mut commands = Vec::new();
        queue.take_or_sleep(&mut commands);
        assert_eq!(commands.len(), 2);
        assert!(queue.has_capacity());
        queue.close();
        assert!(!queue.has_capacity());
        assert!(matches!(queue.post(multicast()), Err(HandleError::Stopped)));
    }
}
