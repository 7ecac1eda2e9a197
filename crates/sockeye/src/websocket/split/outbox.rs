//! State shared by the halves of a connection and its writer.
//!
//! Each part keeps an invariant of its own: [`Queue`] orders the messages, [`Fragments`] holds the
//! one message that is sent in fragments, [`Control`] holds the control frames, [`Pings`] matches
//! pings to the senders that wait for their pongs, and [`Lifecycle`] advances the stages. One lock
//! guards these parts, and another lock guards the [`Writer`]. The writer is locked first, and
//! neither lock is held during a wait.

mod abort;
mod control;
mod fragments;
mod lifecycle;
mod pings;

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_proto::{CloseCode, CloseFrame};
use tokio::io::AsyncRead;
use tokio::sync::{Notify, Semaphore, TryAcquireError, oneshot};
use tokio::time::Instant;

use super::queue::{Entry, Queue};
use super::stream::Part;
use super::writer::{Step, Writer};
use super::{Dropped, SendQueue};
use crate::close_payload::ClosePayload;
use crate::error::{Error, Result};
use crate::metrics::Reason;
use control::Control;
use fragments::Fragments;
use lifecycle::{Close, Lifecycle, OutboxStage};
use pings::Pings;

/// Approximate maximum size of the messages that the writer takes from the queue, in bytes, before
/// it checks for control frames again.
const BATCH: usize = 64 * 1024;

/// The state shared by the halves of a connection and its writer.
///
/// ```text
///               close requested, or        the close frame is written,
///               the peer closes            or the transport failed
///  Open ──────────────────────► Closing ─────────────────────────────► Ended
///    messages are taken            queued messages are still written if this side
///                                  requested the close, else dropped and counted
/// ```
pub(crate) struct Outbox {
    pub(super) options: SendQueue,
    /// One permit for each free byte of capacity.
    pub(super) capacity: Semaphore,
    /// The permit to send a message in fragments; only one such message is sent at a time.
    turn: Semaphore,
    /// The error for later sends, once the receiving half knows it.
    end: OnceLock<Error>,
    /// `true` once the stage is no longer `Open`; readable without a lock.
    closing: AtomicBool,
    /// `true` once the connection is aborted; readable without a lock.
    aborted: AtomicBool,
    /// `true` once the close frame is written; readable without a lock.
    close_written: AtomicBool,
    inner: Mutex<Inner>,
    writer: Mutex<Option<Writer>>,
    /// Notified when `close_timeout` begins for the writer.
    overdue: Notify,
    /// Notified when messages were written or dropped.
    progress: Notify,
}

#[derive(Default)]
struct Inner {
    queue: Queue,
    fragments: Fragments,
    control: Control,
    lifecycle: Lifecycle,
    pings: Pings,
    /// The number of the first message that the writer has taken but not yet written.
    in_flight: Option<u64>,
    /// The number of the first message that is lost with the connection.
    lost: Option<u64>,
    sent: u64,
    dropped: Dropped,
    /// The waker of the writer task, while there is nothing to write.
    idle: Option<Waker>,
    /// The waker of the receiving half's task, while the task waits for the writer.
    receiver: Option<Waker>,
    /// The error of the writer, until the receiving half has taken it.
    failure: Option<Error>,
    /// The reading half of the transport, once the receiving half was dropped.
    abandoned: Option<Input>,
}

/// The reading half of a transport, from which the writer discards input.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// The output that the writer takes from the outbox at a time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) control: Vec<u8>,
    /// The payload of a ping that a sender requested.
    pub(super) ping: Option<[u8; pings::LENGTH]>,
    pub(super) entries: Vec<Entry>,
    /// A part of the message in fragments, which follows the entries.
    pub(super) part: Option<Part>,
    pub(super) close: Option<ClosePayload>,
    /// `true` if the transport is to be ended after the batch.
    pub(super) finish: bool,
    /// `true` until `on_written` has applied the counts below.
    taken: bool,
    messages: u64,
    fragments: usize,
    room: usize,
}

/// The error for an operation that is refused because the connection is closing or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// The reason why no capacity was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The outcome of a sender's attempt to drive the writer for capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// Capacity is reserved.
    Reserved,
    /// The transport accepts no output.
    Blocked,
    /// Queued messages wait for another sender to continue a message in fragments.
    Held,
    /// Another sender has reserved the capacity, and is about to use it.
    Contended,
    Closed,
}

/// The position in the sequence of messages at one point in time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The number of the next message to be queued.
    message: u64,
    /// The number of the last finished message in fragments.
    fragmented: u64,
}

impl Outbox {
    pub(super) fn new(options: SendQueue) -> Self {
        Self {
            options,
            capacity: Semaphore::new(options.capacity as usize),
            turn: Semaphore::new(1),
            end: OnceLock::new(),
            closing: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            close_written: AtomicBool::new(false),
            inner: Mutex::default(),
            writer: Mutex::new(None),
            overdue: Notify::new(),
            progress: Notify::new(),
        }
    }

    /// Records the error that ended the connection, for later sends.
    pub(super) fn note_end(&self, error: Error) {
        self.end.get_or_init(|| error);
    }

    /// Returns the error for a message that is sent while the connection is closing or over.
    #[cold]
    pub(super) fn too_late(&self) -> Error {
        if let Some(error) = self.end.get() {
            return error.of_later_call();
        }
        // The receiving half may not have run since the writer failed.
        self.lock().failure.as_ref().map_or(Error::Closed(None), Error::of_later_call)
    }

    pub(super) fn set_writer(&self, writer: Writer) {
        *self.writer() = Some(writer);
    }

    #[inline]
    pub(super) fn try_reserve(&self, room: u32) -> Result<(), Refused> {
        match self.capacity.try_acquire_many(room) {
            Ok(permits) => {
                permits.forget();
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(Refused::Full),
            Err(TryAcquireError::Closed) => Err(Refused::Closed),
        }
    }

    /// Writes on behalf of the writer task until `room` bytes of capacity are reserved, or writing
    /// cannot continue.
    pub(super) fn drive(&self, room: u32) -> WriteOutcome {
        let mut writer = self.writer();
        let Some(writer) = &mut *writer else { return WriteOutcome::Closed };
        let driven = loop {
            match self.try_reserve(room) {
                Ok(()) => break WriteOutcome::Reserved,
                Err(Refused::Closed) => break WriteOutcome::Closed,
                Err(Refused::Full) => {}
            }
            match writer.advance_for_sender(self) {
                Step::Taken => {}
                Step::Blocked => break WriteOutcome::Blocked,
                Step::Ended => break WriteOutcome::Closed,
                Step::Idle if self.lock().queue.is_empty() => break WriteOutcome::Contended,
                Step::Idle => break WriteOutcome::Held,
            }
        };
        writer.hand_over();
        driven
    }

    /// Queues a message for which capacity is reserved. Replaces a queued message with the same
    /// key.
    pub(super) fn push(&self, entry: Entry) -> Result<(), Closed> {
        let mut inner = self.lock();
        if inner.lifecycle.stage != OutboxStage::Open {
            return Err(Closed);
        }
        if let Some(replaced) = inner.queue.push(entry) {
            inner.dropped.count(Reason::Replaced, 1);
            self.capacity.add_permits(replaced.room as usize);
        }
        wake_writer(inner);
        Ok(())
    }

    /// Replaces the queued message that has the same key. Of the capacity, reserves only the bytes
    /// that the new message takes in excess of the old one. Returns the new message if no message
    /// has its key, if the capacity does not suffice, or if the connection is closing.
    pub(super) fn replace(&self, entry: Entry) -> Result<(), Entry> {
        let mut inner = self.lock();
        let waits = inner.queue.waiting(&entry).map(|waiting| waiting.room);
        let Some(before) = waits.filter(|_| inner.lifecycle.stage == OutboxStage::Open) else {
            return Err(entry);
        };
        if entry.room > before && self.try_reserve(entry.room - before).is_err() {
            return Err(entry);
        }
        let left = before.saturating_sub(entry.room);
        inner.queue.push(entry);
        inner.dropped.count(Reason::Replaced, 1);
        self.capacity.add_permits(left as usize);
        Ok(())
    }

    /// Drops the oldest queued message. Returns whether there was one.
    pub(super) fn drop_oldest(&self) -> Result<bool, Closed> {
        let mut inner = self.lock();
        if inner.lifecycle.stage != OutboxStage::Open {
            return Err(Closed);
        }
        let Some(oldest) = inner.queue.pop() else { return Ok(false) };
        inner.dropped.count(Reason::Oldest, 1);
        self.capacity.add_permits(oldest.room as usize);
        self.progress.notify_waiters();
        Ok(true)
    }

    /// Counts a message that was dropped for lack of capacity.
    pub(super) fn drop_newest(&self) -> Result<(), Closed> {
        let mut inner = self.lock();
        if inner.lifecycle.stage != OutboxStage::Open {
            return Err(Closed);
        }
        inner.dropped.count(Reason::Newest, 1);
        Ok(())
    }

    /// Requests a ping, which is sent ahead of the queue. Returns a receiver for the time at which
    /// the pong arrives.
    pub(super) fn ping(&self) -> Result<oneshot::Receiver<Instant>, Closed> {
        let mut inner = self.lock();
        if inner.lifecycle.stage != OutboxStage::Open {
            return Err(Closed);
        }
        let pong = inner.pings.ask();
        wake_writer(inner);
        Ok(pong)
    }

    /// Handles a pong of the peer, which may answer any ping.
    pub(crate) fn handle_pong(&self, payload: &[u8]) {
        self.lock().pings.handle_pong(payload, Instant::now());
    }

    /// Requests the close frame, which is sent after the queue. Does nothing after the first close.
    pub(super) fn close(&self, frame: ClosePayload) {
        let mut inner = self.lock();
        if inner.lifecycle.stage == OutboxStage::Open {
            inner.lifecycle.ask(frame);
            self.begin_closing(&mut inner);
            wake_writer(inner);
        }
    }

    /// Drops the queued messages, and closes with 1013.
    pub(super) fn disconnect(&self) {
        let mut inner = self.lock();
        if inner.lifecycle.stage == OutboxStage::Open {
            let reason = "the peer does not keep up";
            let frame = CloseFrame::from(CloseCode::TRY_AGAIN_LATER).with_reason(reason);
            inner.lifecycle.ask(ClosePayload(Some(frame)));
            self.begin_closing(&mut inner);
            self.drop_queue(&mut inner);
            // The close timeout begins: no output is left that the peer needs more time for.
            self.overdue.notify_one();
            wake_writer(inner);
        }
    }

    /// Queues whole control frames of the receiving half; `closes` is `true` if the last of them is
    /// a close frame. Pending while too many are queued.
    pub(super) fn poll_control(
        &self,
        cx: &Context<'_>,
        frames: &[u8],
        closes: bool,
    ) -> Poll<Result<(), Closed>> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        match (&inner.lifecycle.close, inner.lifecycle.stage) {
            // The writer has taken the close frame: no frame may follow it.
            (Close::Taken | Close::Written, _) => return Poll::Ready(Ok(())),
            (_, OutboxStage::Ended) => return Poll::Ready(Err(Closed)),
            _ => {}
        }
        if inner.control.is_full() {
            inner.receiver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if closes {
            // The peer has closed the connection, or made it fail: queued messages are of no use.
            self.drop_queue(inner);
            if inner.lifecycle.answer() {
                inner.control.push(frames);
                self.begin_closing(inner);
            }
        } else {
            inner.control.push(frames);
        }
        wake_writer(guard);
        Poll::Ready(Ok(()))
    }

    /// Waits until the control frames of the receiving half, and a close frame that is on its way,
    /// are written to the transport.
    pub(super) fn poll_control_written(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        let written = inner.control.is_written() && !inner.lifecycle.owes_close();
        if written || inner.lifecycle.stage == OutboxStage::Ended {
            return Poll::Ready(());
        }
        inner.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends the transport once the receiving half is over, and drops the queued messages. Ready
    /// when the transport has ended.
    pub(super) fn poll_finish(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.lifecycle.stage == OutboxStage::Ended {
            return Poll::Ready(());
        }
        inner.receiver = Some(cx.waker().clone());
        self.drop_queue(&mut inner);
        self.finish(inner);
        Poll::Pending
    }

    /// Ends the connection when the receiving half is dropped: the writer writes the queued
    /// messages and a close frame, ends the transport, and discards the peer's further input from
    /// `input`.
    pub(super) fn abandon(&self, input: Option<Input>) {
        let mut inner = self.lock();
        if inner.lifecycle.stage == OutboxStage::Open {
            inner.lifecycle.ask(ClosePayload(Some(CloseCode::GOING_AWAY.into())));
        }
        if inner.lifecycle.stage != OutboxStage::Ended {
            inner.abandoned = input;
        }
        self.finish(inner);
        if let Some(writer) = &*self.writer() {
            writer.wake_task();
        }
    }

    /// Ends the connection after the receiving half has returned the end of the connection, and
    /// drops the queued messages.
    pub(super) fn give_up(&self) {
        let mut inner = self.lock();
        self.drop_queue(&mut inner);
        self.overdue.notify_one();
        self.finish(inner);
    }

    fn finish(&self, mut inner: MutexGuard<'_, Inner>) {
        inner.lifecycle.finish = true;
        self.begin_closing(&mut inner);
        wake_writer(inner);
    }

    /// Returns whether messages are no longer taken.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Returns whether the close frame is written to the transport.
    #[inline]
    pub(super) fn is_close_written(&self) -> bool {
        self.close_written.load(Ordering::Acquire)
    }

    /// Takes the error of the writer. The task of the receiving half, which waits for input, is
    /// woken when there is an error, and when the close frame is written.
    pub(super) fn poll_failed(&self, cx: &Context<'_>) -> Poll<Error> {
        let mut inner = self.lock();
        if let Some(error) = inner.failure.take() {
            return Poll::Ready(error);
        }
        if inner.receiver.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            inner.receiver = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes the error of a close frame that could not be written in time.
    pub(super) fn take_overdue_close(&self) -> Option<Error> {
        let mut inner = self.lock();
        let overdue = matches!(inner.failure, Some(Error::TimedOut(_)));
        if overdue && !inner.lifecycle.is_close_written() { inner.failure.take() } else { None }
    }

    /// Waits until all messages taken so far are written to the transport, or dropped by the policy
    /// of the queue.
    pub(super) async fn flushed(&self) -> Result<(), Closed> {
        let mark = self.lock().mark();
        loop {
            let progress = self.progress.notified();
            if let Some(flushed) = self.lock().is_flushed(mark) {
                return flushed;
            }
            progress.await;
        }
    }

    /// Takes a batch for the writer. Returns whether there is something to write; otherwise `task`
    /// is woken when there is.
    pub(super) fn take(&self, batch: &mut Batch, task: &Waker) -> bool {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if inner.lifecycle.stage != OutboxStage::Open {
            self.cut_fragments(inner);
        }
        inner.control.take(&mut batch.control);
        batch.ping = None;
        if inner.lifecycle.stage == OutboxStage::Open {
            batch.ping = inner.pings.take();
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.4
        //# The fragments of one message MUST NOT be interleaved between the
        //# fragments of another message unless an extension has been
        //# negotiated that can interpret the interleaving.
        let before = inner.fragments.before();
        let first = inner.queue.first_number();
        // The batch takes at most half of the queue's capacity, so that a drop policy finds
        // messages that are not being written.
        let limit = BATCH.min(self.options.capacity as usize / 2).max(1);
        batch.room = 0;
        while batch.room < limit && inner.queue.first_number() < before {
            let Some(entry) = inner.queue.pop() else { break };
            batch.room += entry.room as usize;
            batch.entries.push(entry);
        }
        batch.messages = batch.entries.len() as u64;
        inner.in_flight = (batch.messages > 0).then_some(first);
        batch.fragments = 0;
        if inner.queue.first_number() >= before {
            batch.part = inner.fragments.take();
        }
        if let Some(part) = &batch.part {
            batch.fragments = part.fragments.len();
            batch.messages += u64::from(part.ends);
        }
        let all = inner.queue.is_empty() && inner.fragments.is_empty();
        if all {
            batch.close = inner.lifecycle.take_close();
        }
        batch.finish = inner.lifecycle.finish && all;
        batch.taken = !batch.control.is_empty()
            || batch.ping.is_some()
            || !batch.entries.is_empty()
            || batch.part.is_some()
            || batch.close.is_some();
        if !batch.control.is_empty() {
            wake(&mut inner.receiver);
        }
        let something = batch.taken || batch.finish;
        inner.idle = (!something).then(|| task.clone());
        something
    }

    /// Records that the writer has written all of the batch to the transport.
    pub(super) fn on_written(&self, batch: &mut Batch) {
        if !mem::take(&mut batch.taken) {
            return;
        }
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.in_flight = None;
        inner.sent += batch.messages;
        if inner.fragments.on_written(batch.fragments) {
            self.turn.add_permits(1);
        }
        if inner.control.on_written() {
            wake(&mut inner.receiver);
        }
        if inner.control.is_written() && inner.lifecycle.on_close_written() {
            self.close_written.store(true, Ordering::Release);
            self.overdue.notify_one();
            wake(&mut inner.receiver);
        }
        drop(guard);
        self.capacity.add_permits(batch.room);
        self.progress.notify_waiters();
    }

    /// Returns `Some` if the writer wrote output since the last call: `true` if a write had to wait
    /// for the peer.
    pub(crate) fn take_written(&self) -> Option<bool> {
        self.writer().as_mut()?.take_written()
    }

    /// Returns the capacity taken by unwritten messages, in bytes.
    pub(crate) fn unwritten(&self) -> usize {
        (self.options.capacity as usize).saturating_sub(self.capacity.available_permits())
    }

    /// Waits until the close timeout begins, then for `time`. The timeout begins once the peer
    /// should need at most `time` for the output that is left. Called by the writer.
    pub(super) async fn overdue(&self, time: Duration) {
        self.overdue.notified().await;
        tokio::time::sleep(time).await;
    }

    /// Takes the reading half of the transport, once the receiving half was dropped. Called by the
    /// writer.
    pub(super) fn take_abandoned(&self) -> Option<Input> {
        self.lock().abandoned.take()
    }

    /// Writes until the transport accepts nothing, or no output is left. Called by the writer.
    pub(super) fn advance(&self, cx: &Context<'_>) -> (Step, u64) {
        let mut writer = self.writer();
        writer.as_mut().map_or((Step::Ended, 0), |writer| writer.advance_for_task(cx, self))
    }

    /// Ends the connection, with the timeout error `late` or else with the writer's error, if any.
    /// Returns the writer, to be dropped with its transport. Called by the writer.
    pub(super) fn end(&self, late: Option<Error>) -> Option<Writer> {
        let mut writer = self.writer().take()?;
        let error = late.or_else(|| writer.take_error());
        let batch = writer.batch();
        let mut guard = self.lock();
        let inner = &mut *guard;
        if batch.taken {
            inner.dropped.count(Reason::Unsent, batch.messages);
        }
        if let Some(number) = inner.in_flight.take() {
            inner.lose(number);
        }
        // A usage error refuses a message; the transport can still be read.
        inner.failure = error.filter(|error| !matches!(error, Error::Usage(_)));
        self.begin_closing(inner);
        inner.lifecycle.stage = OutboxStage::Ended;
        self.drop_queue(inner);
        inner.fragments.end();
        inner.idle = None;
        wake(&mut inner.receiver);
        drop(guard);
        Some(writer)
    }

    /// Returns the number of queued messages, the number of sent messages, and the counts of
    /// dropped messages.
    pub(super) fn metrics(&self) -> (usize, u64, Dropped) {
        let inner = self.lock();
        (inner.queue.len(), inner.sent, inner.dropped)
    }

    fn begin_closing(&self, inner: &mut Inner) {
        if inner.lifecycle.stage == OutboxStage::Open {
            inner.lifecycle.stage = OutboxStage::Closing;
            self.closing.store(true, Ordering::Release);
            self.capacity.close();
            self.turn.close();
            wake(&mut inner.receiver);
            inner.fragments.wake();
        }
    }

    /// Drops and counts the queued messages, once the connection is closing.
    fn drop_queue(&self, inner: &mut Inner) {
        let mut count = inner.queue.len() as u64;
        if count > 0 {
            inner.lose(inner.queue.first_number());
            inner.queue.clear();
        }
        count += u64::from(inner.fragments.drop_waiting());
        inner.pings.clear();
        inner.dropped.count(Reason::Unsent, count);
        self.progress.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        // Ignoring the poison is safe: a transport that has panicked is polled no more than its
        // owner would poll it.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn mark(&self) -> Mark {
        Mark { message: self.queue.next_number(), fragmented: self.fragments.finished() }
    }

    /// Returns whether all messages up to `mark` are written or dropped; an error if some are lost,
    /// `None` if some are still to be written.
    fn is_flushed(&self, mark: Mark) -> Option<Result<(), Closed>> {
        let lost = self.lost.is_some_and(|lost| lost < mark.message);
        if lost || self.fragments.is_lost(mark.fragmented) {
            return Some(Err(Closed));
        }
        let settled = self.in_flight.unwrap_or_else(|| self.queue.first_number());
        let written = self.fragments.is_written(mark.fragmented);
        (settled >= mark.message && written).then_some(Ok(()))
    }

    fn lose(&mut self, number: u64) {
        self.lost = Some(self.lost.map_or(number, |lost| lost.min(number)));
    }
}

/// Wakes the writer task, if it has nothing to write.
fn wake_writer(mut inner: MutexGuard<'_, Inner>) {
    let idle = inner.idle.take();
    drop(inner);
    if let Some(task) = idle {
        task.wake();
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
