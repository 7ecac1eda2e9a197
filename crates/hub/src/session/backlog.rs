//! The messages that wait for the connection of a session.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sockeye::{CloseFrame, Prepared};

use crate::core::outbox::{Dropped, Item, Outbox, OutboxCounts, OutboxLimits};
use crate::core::{Position, RoomKey};

/// The backlog of a connection, which several tasks share.
#[derive(Debug)]
pub(super) struct SharedBacklog {
    /// [`Backlog::is_direct`]. Set with the backlog locked, and read without. Two messages keep
    /// their order if the second is sent after the first has returned: the first is with the outlet
    /// then, or has reset the flag.
    direct: AtomicBool,
    backlog: Mutex<Backlog>,
}

impl Default for SharedBacklog {
    fn default() -> Self {
        Self { direct: AtomicBool::new(true), backlog: Mutex::default() }
    }
}

impl SharedBacklog {
    /// Returns whether messages go to the outlet directly, without taking the lock.
    #[inline]
    pub(super) fn is_direct(&self) -> bool {
        self.direct.load(Ordering::Acquire)
    }

    pub(super) fn lock(&self) -> BacklogGuard<'_> {
        // No code panics while it holds the lock.
        let backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        BacklogGuard { backlog, direct: &self.direct }
    }
}

#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Created when the outlet is full for the first time.
    pub(super) outbox: Option<Box<Outbox<Prepared>>>,
    /// `true` if a pump runs: everything passes through the outbox meanwhile.
    pub(super) pumping: bool,
    /// `true` while the pump waits for [`uncork`](super::Connection::uncork).
    pub(super) corked: bool,
    /// The message that precedes all others.
    pub(super) first: Option<Prepared>,
    /// The room whose notice or history the pump is about to handle. Reset when the session leaves
    /// the room, as the room may be another one, or joined again, when the pump goes on.
    pub(super) handled: Option<RoomKey>,
    /// The close frame to be sent once the outbox is empty.
    pub(super) close: Option<CloseFrame>,
    /// The close frame that this side has sent.
    pub(super) closed: Option<CloseFrame>,
    pub(super) over: bool,
    /// The number of publications, 0 or 1, that the pump has popped and may not have sent.
    pub(super) unsent: u64,
    /// The sums of the outbox when it was discarded.
    pub(super) counts: Option<Box<OutboxCounts>>,
}

/// The next step of the pump.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send a message.
    Send(Prepared),
    /// Tell the client of dropped publications.
    Dropped(Dropped),
    /// Read the publications of a room from its history.
    Resume { room: RoomKey, after: Position },
    /// Wait for this time or for new items.
    WaitUntil(Instant),
    /// Nothing is left: the pump ends.
    End,
}

/// The locked backlog of a connection, whose flag it sets when it is dropped.
pub(super) struct BacklogGuard<'a> {
    backlog: MutexGuard<'a, Backlog>,
    direct: &'a AtomicBool,
}

impl Deref for BacklogGuard<'_> {
    type Target = Backlog;

    fn deref(&self) -> &Backlog {
        &self.backlog
    }
}

impl DerefMut for BacklogGuard<'_> {
    fn deref_mut(&mut self) -> &mut Backlog {
        &mut self.backlog
    }
}

impl Drop for BacklogGuard<'_> {
    fn drop(&mut self) {
        self.direct.store(self.backlog.is_direct(), Ordering::Release);
    }
}

impl Backlog {
    pub(super) fn is_closing(&self) -> bool {
        self.over || self.close.is_some() || self.closed.is_some()
    }

    /// Returns whether messages go to the outlet directly: nothing waits, and nobody has closed the
    /// connection.
    pub(super) fn is_direct(&self) -> bool {
        !self.pumping && !self.is_closing()
    }

    pub(super) fn outbox(&mut self, limits: OutboxLimits) -> &mut Outbox<Prepared> {
        self.outbox.get_or_insert_with(|| Box::new(Outbox::new(limits)))
    }

    pub(super) fn next_step(&mut self, now: Instant) -> Step {
        self.unsent = 0;
        if let Some(first) = self.first.take() {
            return Step::Send(first);
        }
        let Some(outbox) = &mut self.outbox else {
            self.pumping = false;
            return Step::End;
        };
        outbox.on_timeout(now);
        match outbox.pop(now) {
            Some(Item::Reply(message)) => Step::Send(message),
            Some(Item::Publication(publication)) => {
                self.unsent = 1;
                Step::Send(publication.payload)
            }
            Some(Item::Dropped(dropped)) => {
                self.handled = Some(dropped.room);
                Step::Dropped(dropped)
            }
            Some(Item::Resume { room, after }) => {
                self.handled = Some(room);
                Step::Resume { room, after }
            }
            None => match outbox.next_timeout() {
                // A connection that closes does not wait for paced publications.
                Some(at) if self.close.is_none() => Step::WaitUntil(at),
                _ => {
                    self.pumping = false;
                    Step::End
                }
            },
        }
    }

    /// Discards what waits. The pump, if any, ends: the publication that it sends is not sent, and
    /// was not popped.
    pub(super) fn discard(&mut self) {
        self.first = None;
        if let Some(outbox) = self.outbox.take() {
            let mut counts = outbox.counts();
            counts.popped -= self.unsent;
            self.counts = Some(Box::new(counts));
        }
        self.close = None;
    }
}
