use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sockeye::split::{Sender, TrySendError};
use sockeye::{CloseCode, CloseFrame, Multicast, Outlet, Prepared};
use tokio::sync::Notify;

use super::backlog::{Backlog, BacklogGuard, SharedBacklog, Step};
use crate::core::RoomKey;
use crate::core::outbox::{DeliveryPolicy, OutboxCounts, OutboxLimits, Pushed, QueuedPublication};
use crate::encoder::Encoder;

/// The connection of a session: publications go to its outlet directly while the outlet takes them,
/// and otherwise through an outbox, which a task drains.
///
/// ```text
///  deliver ──► outlet                        while there is no backlog
///         └──► outbox ──► pump ──► outlet    once the outlet was full, until the outbox is empty
/// ```
#[derive(Debug)]
pub(crate) struct Connection {
    outlet: SessionOutlet,
    encoder: Arc<dyn Encoder>,
    limits: OutboxLimits,
    backlog: SharedBacklog,
    /// Notified when the pump has taken something from the outbox, or the connection is over.
    capacity: Notify,
    /// Notifies the pump, which waits for the next release, of new items.
    pump: Notify,
    /// Set once this side closes the connection, if only after what waits.
    closing: AtomicBool,
}

#[derive(Debug)]
enum SessionOutlet {
    Split(Sender),
    Other(Box<dyn Outlet>),
}

/// The messages that wait for a session that reads too slowly, beyond its connection's own queue.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SessionMetrics {
    /// The number of messages that wait.
    pub queued: usize,
    /// The bytes of the messages that wait.
    pub queued_bytes: usize,
    /// The sums of the publications that had to wait, by what became of them.
    pub publications: OutboxCounts,
}

/// The result of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Delivered {
    /// The message is on its way, or was dropped by the policy.
    Done,
    /// The same, and the caller is to spawn [`Pump::run`](super::pump::run).
    StartPump,
    /// The connection is closing or over: the message is not sent.
    Closed,
}

impl Connection {
    pub(crate) fn split(sender: Sender, encoder: Arc<dyn Encoder>, limits: OutboxLimits) -> Self {
        Self::new(SessionOutlet::Split(sender), encoder, limits)
    }

    pub(crate) fn other(
        outlet: Box<dyn Outlet>,
        encoder: Arc<dyn Encoder>,
        limits: OutboxLimits,
    ) -> Self {
        Self::new(SessionOutlet::Other(outlet), encoder, limits)
    }

    fn new(outlet: SessionOutlet, encoder: Arc<dyn Encoder>, limits: OutboxLimits) -> Self {
        Self {
            outlet,
            encoder,
            limits,
            backlog: SharedBacklog::default(),
            capacity: Notify::new(),
            pump: Notify::new(),
            closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn encoder(&self) -> &Arc<dyn Encoder> {
        &self.encoder
    }

    pub(crate) fn sender(&self) -> Option<&Sender> {
        match &self.outlet {
            SessionOutlet::Split(sender) => Some(sender),
            SessionOutlet::Other(_) => None,
        }
    }

    fn outlet(&self) -> &dyn Outlet {
        match &self.outlet {
            SessionOutlet::Split(sender) => sender,
            SessionOutlet::Other(outlet) => &**outlet,
        }
    }

    /// Delivers a publication by the room's policy: by the multicast, or by way of the outbox, for
    /// which `queue` wraps its message.
    #[inline]
    pub(crate) fn deliver(
        &self,
        multicast: &mut Multicast,
        policy: DeliveryPolicy,
        queue: impl FnOnce(Prepared) -> QueuedPublication<Prepared>,
    ) -> Delivered {
        let direct = !matches!(policy, DeliveryPolicy::Conflate { .. });
        if direct {
            if let Some(delivered) =
                self.send_directly(|outlet| outlet.try_send_multicast(multicast))
            {
                return delivered;
            }
        }
        self.queue(queue(multicast.prepared().clone()), policy)
    }

    #[cold]
    fn queue(&self, publication: QueuedPublication<Prepared>, policy: DeliveryPolicy) -> Delivered {
        let mut backlog = self.lock();
        if backlog.is_closing() {
            return Delivered::Closed;
        }
        match backlog.outbox(self.limits).push(Instant::now(), publication, policy) {
            Pushed::Done => self.start_pump(&mut backlog),
            // Rooms do not have the policy `Wait`.
            Pushed::Full(_) => Delivered::Done,
            Pushed::Disconnect => {
                drop(backlog);
                self.disconnect();
                Delivered::Done
            }
        }
    }

    /// Delivers a publication of the history, for which there is a [budget](Self::budget). It is
    /// queued even if its message takes more than the publication did in the history.
    pub(crate) fn deliver_recovered(&self, publication: QueuedPublication<Prepared>) -> Delivered {
        let direct = self.send_directly(|outlet| outlet.try_send_prepared(&publication.payload));
        if let Some(delivered) = direct {
            return delivered;
        }
        let mut backlog = self.lock();
        if backlog.is_closing() {
            return Delivered::Closed;
        }
        backlog.outbox(self.limits).push_recovered(Instant::now(), publication);
        self.start_pump(&mut backlog)
    }

    /// Returns the number of bytes that the outbox takes of recovered publications: half of what is
    /// free, or 0 if it does not take `chunk` publications.
    pub(crate) fn budget(&self, chunk: usize) -> usize {
        let backlog = self.lock();
        let Some(outbox) = &backlog.outbox else { return self.limits.bytes / 2 };
        let free = self.limits.bytes.saturating_sub(outbox.bytes()) / 2;
        // With less than an eighth, chunks would be single publications.
        let fits = outbox.len() + chunk <= self.limits.messages || outbox.is_empty();
        if fits && free >= self.limits.bytes / 8 { free } else { 0 }
    }

    /// Queues a reply or a notice, which is never dropped: if too many wait, closes the connection
    /// with 1013.
    pub(crate) fn reply(&self, reply: &Prepared) -> Delivered {
        self.try_reply(reply).unwrap_or_else(|| self.refuse_reply())
    }

    /// Queues a notice to many like [`reply`](Self::reply).
    #[inline]
    pub(crate) fn reply_in(&self, multicast: &mut Multicast) -> Delivered {
        let direct = self.send_directly(|outlet| outlet.try_send_multicast(multicast));
        if let Some(delivered) = direct {
            return delivered;
        }
        self.queue_reply(multicast.prepared()).unwrap_or_else(|| self.refuse_reply())
    }

    /// Queues a reply; returns `None` if too many wait.
    pub(crate) fn try_reply(&self, reply: &Prepared) -> Option<Delivered> {
        let direct = self.send_directly(|outlet| outlet.try_send_prepared(reply));
        direct.or_else(|| self.queue_reply(reply))
    }

    #[cold]
    fn queue_reply(&self, reply: &Prepared) -> Option<Delivered> {
        let mut backlog = self.lock();
        if backlog.is_closing() {
            return Some(Delivered::Closed);
        }
        backlog.outbox(self.limits).push_reply(reply.clone(), reply.len()).ok()?;
        Some(self.start_pump(&mut backlog))
    }

    fn refuse_reply(&self) -> Delivered {
        self.disconnect();
        Delivered::Closed
    }

    /// Returns whether a reply of `size` bytes would be queued, or the connection is over.
    pub(crate) fn has_capacity(&self, size: usize) -> bool {
        let backlog = self.lock();
        backlog.is_closing() || backlog.outbox.as_ref().is_none_or(|outbox| outbox.fits_reply(size))
    }

    /// Waits until the pump has taken something from the outbox. `ready` is evaluated after the
    /// caller is registered, so that no notification is missed.
    pub(crate) async fn wait_for(&self, mut ready: impl FnMut() -> bool) {
        loop {
            let notified = self.capacity.notified();
            if ready() || self.is_closing() {
                return;
            }
            notified.await;
        }
    }

    /// Gives a message to the outlet by `send`, if nothing waits. Returns `None` if the message has
    /// to wait, or the connection is closing.
    #[inline]
    fn send_directly(
        &self,
        send: impl FnOnce(&dyn Outlet) -> Result<(), TrySendError<()>>,
    ) -> Option<Delivered> {
        if !self.backlog.is_direct() {
            return None;
        }
        match send(self.outlet()) {
            Ok(()) => Some(Delivered::Done),
            Err(TrySendError::Full(())) => None,
            Err(_) => Some(Delivered::Closed),
        }
    }

    /// Lets everything wait in the outbox until [`uncork`](Self::uncork).
    pub(crate) fn cork(&self) {
        let mut backlog = self.lock();
        backlog.pumping = true;
        backlog.corked = true;
    }

    /// Sends a message, and then what waits.
    pub(crate) fn uncork(&self, first: Prepared) -> Delivered {
        let mut backlog = self.lock();
        backlog.corked = false;
        if !backlog.is_closing() {
            backlog.first = Some(first);
        }
        Delivered::StartPump
    }

    fn start_pump(&self, backlog: &mut Backlog) -> Delivered {
        if backlog.pumping {
            self.pump.notify_one();
            return Delivered::Done;
        }
        backlog.pumping = true;
        Delivered::StartPump
    }

    /// Returns the next step of the pump, which is the only caller.
    pub(crate) fn next_step(&self, now: Instant) -> Step {
        let mut backlog = self.lock();
        let step = backlog.next_step(now);
        let close = if matches!(step, Step::End) { backlog.close.take() } else { None };
        drop(backlog);
        self.capacity.notify_waiters();
        if let Some(frame) = close {
            self.close_now(frame);
        }
        step
    }

    /// Sends a message; waits for the outlet. Returns whether the connection continues.
    pub(crate) async fn send(&self, message: &Prepared) -> bool {
        match &self.outlet {
            SessionOutlet::Split(sender) => sender.send_prepared(message).await.is_ok(),
            SessionOutlet::Other(outlet) => loop {
                match outlet.try_send_prepared(message) {
                    Ok(()) => return true,
                    Err(TrySendError::Full(())) => outlet.wait_for_capacity(message.len()).await,
                    Err(_) => return false,
                }
            },
        }
    }

    /// Waits for new items in the outbox. Called by the pump.
    pub(crate) async fn pump_notified(&self) {
        self.pump.notified().await;
    }

    /// Removes what waits of a room that the session has left, or will read from the history.
    pub(crate) fn remove_room(&self, room: RoomKey) {
        let mut backlog = self.lock();
        backlog.handled = backlog.handled.filter(|handled| *handled != room);
        if let Some(outbox) = &mut backlog.outbox {
            outbox.remove_room(room);
        }
    }

    /// Returns whether the session has been in the room since the pump's step for it, which is then
    /// handled. Called while the rooms are locked, so that the session cannot leave meanwhile.
    pub(crate) fn take_handled(&self, room: RoomKey) -> bool {
        self.lock().handled.take() == Some(room)
    }

    /// Closes the connection after what waits in the outbox. Returns whether this call closed it.
    pub(crate) fn close(&self, frame: CloseFrame) -> bool {
        let mut backlog = self.lock();
        if backlog.is_closing() {
            return false;
        }
        if backlog.pumping && !backlog.corked {
            backlog.close = Some(frame);
            drop(backlog);
            self.closing.store(true, Ordering::Release);
            self.capacity.notify_waiters();
            self.pump.notify_one();
            return true;
        }
        drop(backlog);
        self.close_now(frame)
    }

    /// Closes the connection with 1011 after what waits, as code of the application panicked.
    pub(crate) fn fail(&self) {
        self.close(CloseFrame::from(CloseCode::INTERNAL_ERROR));
    }

    /// Discards what waits, and closes the connection with 1013.
    pub(crate) fn disconnect(&self) {
        self.close_now(CloseFrame::from(CloseCode::TRY_AGAIN_LATER).with_reason("too slow"));
    }

    fn close_now(&self, frame: CloseFrame) -> bool {
        let mut backlog = self.lock();
        if backlog.over || backlog.closed.is_some() {
            return false;
        }
        // The frame was checked.
        let _ = self.outlet().close(frame.code, &frame.reason);
        backlog.closed = Some(frame);
        backlog.discard();
        drop(backlog);
        self.closing.store(true, Ordering::Release);
        self.capacity.notify_waiters();
        self.pump.notify_one();
        true
    }

    /// Discards what waits: the connection is over.
    pub(crate) fn on_end(&self) {
        let mut backlog = self.lock();
        backlog.over = true;
        backlog.discard();
        drop(backlog);
        self.closing.store(true, Ordering::Release);
        self.capacity.notify_waiters();
        self.pump.notify_one();
    }

    /// Returns the close frame that this side has sent.
    pub(crate) fn closed(&self) -> Option<CloseFrame> {
        self.lock().closed.clone()
    }

    /// Returns whether nothing is delivered any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.outlet().is_closed()
    }

    pub(crate) fn metrics(&self) -> SessionMetrics {
        let backlog = self.lock();
        let Some(outbox) = &backlog.outbox else {
            let publications = backlog.counts.as_deref().copied().unwrap_or_default();
            return SessionMetrics { publications, ..SessionMetrics::default() };
        };
        SessionMetrics {
            queued: outbox.len(),
            queued_bytes: outbox.bytes(),
            publications: outbox.counts(),
        }
    }

    fn lock(&self) -> BacklogGuard<'_> {
        self.backlog.lock()
    }
}
