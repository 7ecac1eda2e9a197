//! What other threads want of a worker.

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Wake};

use sockeye_proto::{Message, Prepared};

use super::{ConnectionId, HandleError};
use crate::websocket::ClosePayload;

/// What a letter counts beside its payload, in bytes: about its size in memory.
const LETTER_SIZE: usize = 64;

/// What a worker is asked to do.
#[derive(Debug)]
pub(super) enum Letter {
    Send(ConnectionId, Message),
    SendPrepared(ConnectionId, Prepared),
    Ping(ConnectionId, Vec<u8>),
    Event(ConnectionId, Box<dyn Any + Send>),
    Close(ConnectionId, ClosePayload),
    Abort(ConnectionId),
    Broadcast(Prepared),
    /// The connection was chosen to give way to others, as the memory budget is used up.
    GiveWay(ConnectionId),
    Stop,
}

impl Letter {
    /// Whether it is taken however full the mailbox is, so that a peer which floods can be got rid of. There are only so many of
    /// these: a [`Handle`](super::Handle) asks for each once in the life of its connection, a connection is chosen to give way
    /// once for its input and once for its output, and a server is stopped once.
    const fn is_always_taken(&self) -> bool {
        matches!(self, Self::Close(..) | Self::Abort(_) | Self::GiveWay(_) | Self::Stop)
    }

    fn size(&self) -> usize {
        LETTER_SIZE
            + match self {
                Self::Send(_, message) => message.len(),
                Self::SendPrepared(_, prepared) | Self::Broadcast(prepared) => prepared.len(),
                Self::Ping(_, payload) => payload.len(),
                Self::Event(_, event) => size_of_val(&**event),
                Self::Close(_, payload) => payload.frame().map_or(0, |frame| frame.reason.len()),
                Self::Abort(_) | Self::GiveWay(_) | Self::Stop => 0,
            }
    }
}

/// Makes a worker look into its mailbox.
pub(super) type Waker = Box<dyn Fn() + Send + Sync>;

/// Letters to one worker: bounded in bytes, many writers and one reader.
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    waker: Waker,
    limit: usize,
}

#[derive(Default)]
struct Inside {
    letters: Vec<Letter>,
    size: usize,
    /// The worker waits, or is about to: the next letter must wake it.
    asleep: bool,
    /// The worker was told to stop.
    stopped: bool,
    /// The worker is gone.
    closed: bool,
}

impl Mailbox {
    pub(super) fn new(waker: Waker, limit: usize) -> Self {
        Self { inside: Mutex::default(), waker, limit }
    }

    pub(super) fn post(&self, letter: Letter) -> Result<(), HandleError> {
        let mut inside = self.lock();
        if inside.closed {
            return Err(HandleError::Stopped);
        }
        if inside.size >= self.limit && !letter.is_always_taken() {
            return Err(HandleError::Full);
        }
        if matches!(letter, Letter::Stop) && mem::replace(&mut inside.stopped, true) {
            return Ok(());
        }
        inside.size += letter.size();
        inside.letters.push(letter);
        let asleep = mem::take(&mut inside.asleep);
        drop(inside);
        if asleep {
            (self.waker)();
        }
        Ok(())
    }

    /// All letters, or a note that the worker sleeps from now on.
    pub(super) fn take_or_sleep(&self, letters: &mut Vec<Letter>) {
        let mut inside = self.lock();
        if inside.letters.is_empty() {
            inside.asleep = true;
        } else {
            mem::swap(letters, &mut inside.letters);
            inside.size = 0;
        }
    }

    /// The worker is awake again.
    pub(super) fn wake(&self) {
        self.lock().asleep = false;
    }

    /// Whether the worker is gone.
    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Nobody will look into it any more.
    pub(super) fn close(&self) {
        let mut inside = self.lock();
        inside.closed = true;
        inside.letters = Vec::new();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it is locked.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// All workers of a server, as seen by those who write to them.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) mailboxes: Vec<Mailbox>,
    /// How much may be unwritten on a connection before further messages are dropped, in bytes.
    pub(super) max_unwritten: usize,
}

/// Tells a connection's worker that the connection is to give way to others.
struct GiveWay {
    id: ConnectionId,
    workers: Arc<Workers>,
}

impl Wake for GiveWay {
    fn wake(self: Arc<Self>) {
        // A worker that has stopped has closed it.
        let _ = self.workers.post(self.id, Letter::GiveWay(self.id));
    }
}

impl Workers {
    /// Returns what wakes a connection that is to give way to others.
    pub(super) fn waker(self: &Arc<Self>, id: ConnectionId) -> task::Waker {
        task::Waker::from(Arc::new(GiveWay { id, workers: self.clone() }))
    }

    pub(super) fn post(&self, id: ConnectionId, letter: Letter) -> Result<(), HandleError> {
        let mailbox = self.mailboxes.get(id.worker()).ok_or(HandleError::Stopped)?;
        mailbox.post(letter)
    }

    /// Sends a message to all connections.
    pub(super) fn broadcast(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.post_to_all(|| Letter::Broadcast(prepared.clone()))
    }

    /// Succeeds as long as the connection's worker runs.
    pub(super) fn check_running(&self, id: ConnectionId) -> Result<(), HandleError> {
        match self.mailboxes.get(id.worker()) {
            Some(mailbox) if !mailbox.is_closed() => Ok(()),
            _ => Err(HandleError::Stopped),
        }
    }

    /// To every worker that takes it; the error of the first that did not.
    pub(super) fn post_to_all(&self, letter: impl Fn() -> Letter) -> Result<(), HandleError> {
        let mut posted = Ok(());
        for mailbox in &self.mailboxes {
            posted = posted.and(mailbox.post(letter()));
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
    fn a_sleeping_worker_is_woken_once_and_a_full_mailbox_refuses() {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let waker = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mailbox = Mailbox::new(waker, 2 * LETTER_SIZE + 10);
        let letter = || Letter::Broadcast(Prepared::new("12345"));
        let mut letters = Vec::new();
        mailbox.post(letter()).unwrap();
        assert_eq!(woken.load(Ordering::Relaxed), 0, "it is awake");
        mailbox.take_or_sleep(&mut letters);
        assert_eq!(mem::take(&mut letters).len(), 1);
        mailbox.take_or_sleep(&mut letters);
        assert!(letters.is_empty());
        mailbox.post(letter()).unwrap();
        mailbox.post(letter()).unwrap();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(matches!(mailbox.post(letter()), Err(HandleError::Full)));
        let id = ConnectionId::new(0, 0, 0);
        let payload = ClosePayload(Some(CloseCode::GOING_AWAY.into()));
        mailbox.post(Letter::Close(id, payload)).unwrap();
        mailbox.post(Letter::Abort(id)).unwrap();
        for _ in 0..10 {
            mailbox.post(Letter::Stop).unwrap();
        }
        mailbox.take_or_sleep(&mut letters);
        assert_eq!(letters.len(), 5, "a server is stopped once");
        mailbox.post(letter()).unwrap();
        mailbox.close();
        assert!(matches!(mailbox.post(letter()), Err(HandleError::Stopped)));
    }
}
