//! State shared by the halves of a connection and its writer.
//!
//! The messages, control frames and pings are an [`OutboxState`], which one lock guards: a method
//! of [`Outbox`] locks it, runs one step of the state, and carries out the step's effects. Another
//! lock guards the [`OutboxWriter`]. The writer is locked first, and neither lock is held during a
//! wait.

mod control;
mod fragments;
mod lifecycle;
#[cfg(all(test, loom))]
mod models;
mod pings;
mod progress;
mod receiving_half;
mod state;
#[cfg(test)]
mod tests;
mod waiting_task;

use std::any::Any;
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_proto::Kind;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{TryAcquireError, oneshot};
use tokio::time::Instant;

use super::queue::Entry;
use super::writer::{OutboxWriter, WriterStep};
use super::{Dropped, SendQueue};
use crate::close_payload::ClosePayload;
use crate::error::{Error, Result};
use crate::sync::{AtomicBool, Mutex, MutexGuard, Notify, Semaphore};
#[cfg(test)]
pub(super) use state::MAX_BATCH;
use state::{Milestone, OutboxState};

/// The state shared by the halves of a connection and its writer.
pub(crate) struct Outbox {
    pub(super) options: SendQueue,
    /// One permit for each free byte of capacity.
    capacity: Semaphore,
    /// The permit to send a message in fragments; only one such message is sent at a time.
    fragments_permit: Semaphore,
    /// The error for later sends, once the receiving half knows it.
    end: OnceLock<Error>,
    /// `true` once the connection is closing; readable without a lock.
    closing: AtomicBool,
    /// `true` once the connection is aborted; readable without a lock.
    aborted: AtomicBool,
    /// `true` once the close frame is written; readable without a lock.
    close_written: AtomicBool,
    state: Mutex<OutboxState>,
    writer: Mutex<Option<OutboxWriter>>,
    /// Notified when the close timeout begins for the writer task.
    close_timeout_begins: Notify,
    /// Notified when messages were written or dropped.
    progress: Notify,
}

/// A boxed reading half, from which the writer task discards input.
pub(super) type BoxedReadingHalf = Box<dyn ReadingHalf>;

/// The reading half of a transport.
pub(super) trait ReadingHalf: AsyncRead + Send + Unpin {
    /// Returns the socket, where the transport is bare TCP.
    fn socket(&self) -> Option<&TcpStream>;
}

impl<R: AsyncRead + Send + Unpin + 'static> ReadingHalf for R {
    fn socket(&self) -> Option<&TcpStream> {
        (self as &dyn Any).downcast_ref::<OwnedReadHalf>().map(OwnedReadHalf::as_ref)
    }
}

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
    /// Number of messages that end in the batch.
    messages: u64,
    /// Number of fragments in the part.
    fragments: usize,
    /// Capacity of the entries, in bytes.
    bytes: usize,
}

/// The part of a message in fragments that the writer takes at a time.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// `true` if the message begins with this part.
    pub(super) begins: bool,
    pub(super) fragments: VecDeque<Vec<u8>>,
    /// `true` if the message ends with the last of the fragments.
    pub(super) ends: bool,
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

impl Outbox {
    pub(super) fn new(options: SendQueue) -> Self {
        Self {
            options,
            capacity: Semaphore::new(options.capacity as usize),
            fragments_permit: Semaphore::new(1),
            end: OnceLock::new(),
            closing: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            close_written: AtomicBool::new(false),
            state: Mutex::new(OutboxState::new(options.capacity)),
            writer: Mutex::new(None),
            close_timeout_begins: Notify::new(),
            progress: Notify::new(),
        }
    }

    pub(super) fn set_writer(&self, writer: OutboxWriter) {
        *self.writer() = Some(writer);
    }

    /// Records the error that ended the connection, for later sends.
    pub(super) fn record_end(&self, error: Error) {
        self.end.get_or_init(|| error);
    }

    /// Returns the error for a message that is sent while the connection is closing or over.
    #[cold]
    pub(super) fn send_error(&self) -> Error {
        if let Some(error) = self.end.get() {
            return error.of_later_call();
        }
        // The receiving half may not have run since the writer failed.
        self.lock().failure().map_or(Error::Closed(None), Error::of_later_call)
    }

    /// Reserves capacity for one message, if there is enough.
    #[inline]
    pub(super) fn try_reserve(&self, bytes: u32) -> Result<(), Refused> {
        match self.capacity.try_acquire_many(bytes) {
            Ok(permits) => {
                permits.forget();
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(Refused::Full),
            Err(TryAcquireError::Closed) => Err(Refused::Closed),
        }
    }

    /// Waits for capacity, in the order of the calls.
    pub(super) async fn reserve(&self, bytes: u32) -> Result<(), Closed> {
        self.capacity.acquire_many(bytes).await.map_err(|_| Closed)?.forget();
        Ok(())
    }

    /// Waits until as much capacity is free, or the connection is closing, in the order of the
    /// calls.
    pub(super) async fn wait_for_capacity(&self, bytes: u32) {
        // The permits are given back.
        drop(self.capacity.acquire_many(bytes).await);
    }

    /// Writes on behalf of the writer task until `bytes` of capacity are reserved, or writing
    /// cannot continue.
    pub(super) fn drive(&self, bytes: u32) -> WriteOutcome {
        let mut writer = self.writer();
        let Some(writer) = &mut *writer else { return WriteOutcome::Closed };
        let driven = loop {
            match self.try_reserve(bytes) {
                Ok(()) => break WriteOutcome::Reserved,
                Err(Refused::Closed) => break WriteOutcome::Closed,
                Err(Refused::Full) => {}
            }
            match writer.advance_for_sender(self) {
                WriterStep::Taken => {}
                WriterStep::Blocked => break WriteOutcome::Blocked,
                WriterStep::Ended => break WriteOutcome::Closed,
                WriterStep::Idle if self.lock().queued() == 0 => break WriteOutcome::Contended,
                WriterStep::Idle => break WriteOutcome::Held,
            }
        };
        writer.hand_over();
        driven
    }

    /// Queues a message for which capacity is reserved. Replaces a queued message with the same
    /// key.
    pub(super) fn push(&self, entry: Entry) -> Result<(), Closed> {
        let reserved = entry.bytes;
        self.step(|state| state.push(entry, reserved))
    }

    /// Replaces the queued message that has the same key. Reserves only the capacity that the new
    /// message takes in excess of the old one. Returns the new message if no message has its key,
    /// if the capacity does not suffice, or if the connection is closing.
    pub(super) fn replace(&self, entry: Entry) -> Result<(), Entry> {
        self.step(|state| {
            let Some(before) = state.replaceable(&entry) else { return Err(entry) };
            let excess = entry.bytes.saturating_sub(before);
            if excess > 0 && self.try_reserve(excess).is_err() {
                return Err(entry);
            }
            // A message is replaceable while the connection is open, so that `push` takes it.
            let _ = state.push(entry, excess);
            Ok(())
        })
    }

    /// Drops the oldest queued message. Returns whether there was one.
    pub(super) fn drop_oldest(&self) -> Result<bool, Closed> {
        self.step(OutboxState::drop_oldest)
    }

    /// Counts a message that was dropped for lack of capacity.
    pub(super) fn drop_newest(&self) -> Result<(), Closed> {
        self.step(OutboxState::drop_newest)
    }

    /// Requests a ping, which is sent ahead of the queue. Returns a receiver for the time at which
    /// the pong arrives.
    pub(super) fn ping(&self) -> Result<oneshot::Receiver<Instant>, Closed> {
        self.step(OutboxState::request_ping)
    }

    /// Handles a pong of the peer, which may answer any ping.
    pub(crate) fn handle_pong(&self, payload: &[u8]) {
        self.step(|state| state.handle_pong(payload, Instant::now()));
    }

    /// Requests the close frame, which is sent after the queue. Does nothing after the first close.
    pub(super) fn close(&self, frame: ClosePayload) {
        self.step(|state| state.close(frame));
    }

    /// Drops the queued messages, and closes with 1013.
    pub(super) fn disconnect(&self) {
        self.step(OutboxState::disconnect);
    }

    /// Ends the connection without a close frame: drops the queued messages, then makes the writer
    /// task drop the writing half, and the receiving half reset the transport.
    pub(super) fn abort(&self) {
        self.step(OutboxState::abort);
        self.wake_writer_task();
    }

    /// Returns whether the connection was aborted.
    #[inline]
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Begins a message in fragments, once no other one is being sent. Returns its number.
    pub(super) async fn begin_fragments(&self, kind: Kind) -> Result<u64, Closed> {
        self.fragments_permit.acquire_many(1).await.map_err(|_| Closed)?.forget();
        self.step(|state| state.begin_fragments(kind))
    }

    /// Waits until the current message may be given another fragment.
    pub(super) fn poll_fragment_capacity(&self, cx: &Context<'_>) -> Poll<Result<(), Closed>> {
        self.step(|state| state.poll_fragment_capacity(cx.waker()))
    }

    /// Adds a fragment to the current message.
    pub(super) fn push_fragment(&self, fragment: Vec<u8>, last: bool) -> Result<(), Closed> {
        self.step(|state| state.push_fragment(fragment, last))
    }

    /// Waits until all fragments so far of the message of this number are written to the transport.
    pub(super) fn poll_fragments_written(
        &self,
        cx: &Context<'_>,
        number: u64,
    ) -> Poll<Result<(), Closed>> {
        self.step(|state| state.poll_fragments_written(cx.waker(), number))
    }

    /// Cancels the current message, which will not be finished.
    pub(super) fn cancel_fragments(&self) {
        self.step(OutboxState::cancel_fragments);
    }

    /// Waits until all messages taken so far are written to the transport, or dropped by the policy
    /// of the queue.
    pub(super) async fn flush(&self) -> Result<(), Closed> {
        let position = self.lock().position();
        loop {
            let progress = self.progress.notified();
            if let Some(flushed) = self.lock().is_flushed(position) {
                return flushed;
            }
            progress.await;
        }
    }

    /// Returns the number of queued messages, the number of sent messages, and the counts of
    /// dropped messages.
    pub(super) fn metrics(&self) -> (usize, u64, Dropped) {
        let state = self.lock();
        let (sent, dropped) = state.counts();
        (state.queued(), sent, dropped)
    }

    /// Queues whole control frames of the receiving half; `closes` is `true` if the last of them is
    /// a close frame. Pending while too many are queued.
    pub(super) fn poll_control(
        &self,
        cx: &Context<'_>,
        frames: &[u8],
        closes: bool,
    ) -> Poll<Result<(), Closed>> {
        self.step(|state| state.poll_control(cx.waker(), frames, closes))
    }

    /// Waits until the control frames of the receiving half, and a close frame that is on its way,
    /// are written to the transport.
    pub(super) fn poll_control_written(&self, cx: &Context<'_>) -> Poll<()> {
        self.step(|state| state.poll_control_written(cx.waker()))
    }

    /// Drops the queued messages and ends the transport, after the receiving half has ended. Ready
    /// when the transport has ended.
    pub(super) fn poll_finish(&self, cx: &Context<'_>) -> Poll<()> {
        self.step(|state| state.poll_finish(cx.waker()))
    }

    /// Ends the connection when the receiving half is dropped: the writer writes the queued
    /// messages and a close frame, ends the transport, and discards the peer's further input from
    /// `reading_half`.
    pub(super) fn on_receiver_dropped(&self, reading_half: Option<BoxedReadingHalf>) {
        self.step(|state| state.on_receiver_dropped(reading_half));
        self.wake_writer_task();
    }

    /// Drops the queued messages and ends the transport, after the receiving half has returned the
    /// end of the connection.
    pub(super) fn discard_and_finish(&self) {
        self.step(OutboxState::discard_and_finish);
    }

    /// Takes the error of the writer. The task of the receiving half, which waits for input, is
    /// woken when there is an error, and when the close frame is written.
    pub(super) fn poll_failure(&self, cx: &Context<'_>) -> Poll<Error> {
        self.step(|state| state.poll_failure(cx.waker()))
    }

    /// Takes the error of a close frame that could not be written in time.
    pub(super) fn take_overdue_close(&self) -> Option<Error> {
        self.step(OutboxState::take_overdue_close)
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

    /// Returns `Some` if the writer wrote output since the last call: `true` if a write had to wait
    /// for the peer.
    pub(crate) fn take_written(&self) -> Option<bool> {
        self.writer().as_mut()?.take_written()
    }

    /// Returns the capacity taken by unwritten messages, in bytes.
    pub(crate) fn unwritten(&self) -> usize {
        (self.options.capacity as usize).saturating_sub(self.capacity.available_permits())
    }

    /// Takes a batch for the writer. Returns whether there is something to write; otherwise `task`
    /// is woken when there is.
    pub(super) fn take(&self, batch: &mut Batch, task: &Waker) -> bool {
        self.step(|state| state.take(batch, task))
    }

    /// Records that the writer has written all of the batch to the transport.
    pub(super) fn on_written(&self, batch: &mut Batch) {
        if mem::take(&mut batch.taken) {
            self.step(|state| state.on_written(batch));
        }
    }

    /// Waits until the close timeout begins, then for `time`. The timeout begins once the peer
    /// should need at most `time` for the output that is left. Called by the writer.
    pub(super) async fn close_timeout(&self, time: Duration) {
        self.close_timeout_begins.notified().await;
        tokio::time::sleep(time).await;
    }

    /// Takes the reading half of the transport, once the receiving half was dropped. Called by the
    /// writer.
    pub(super) fn take_reading_half(&self) -> Option<BoxedReadingHalf> {
        self.step(OutboxState::take_reading_half)
    }

    /// Writes until the transport accepts nothing, or no output is left. Called by the writer.
    pub(super) fn advance(&self, cx: &Context<'_>) -> (WriterStep, u64) {
        let mut writer = self.writer();
        writer.as_mut().map_or((WriterStep::Ended, 0), |writer| writer.advance_for_task(cx, self))
    }

    /// Ends the connection, with `task_error`, the error of the writer task, or else with the
    /// writer's error, if any. Returns the writer, to be dropped with its transport. Called by the
    /// writer task.
    pub(super) fn end(&self, task_error: Option<Error>) -> Option<OutboxWriter> {
        let mut writer = self.writer().take()?;
        // An error of use refuses a message; the transport can still be read.
        let failed = |error: &Error| !matches!(error, Error::Usage(_) | Error::Closed(_));
        let error = task_error.or_else(|| writer.take_error().filter(failed));
        self.step(|state| state.on_end(writer.batch(), error));
        Some(writer)
    }

    /// Runs a step of the state, then carries out its effects.
    #[inline]
    fn step<T>(&self, step: impl FnOnce(&mut OutboxState) -> T) -> T {
        let mut state = self.lock();
        let result = step(&mut state);
        let effects = state.take_effects();
        // The flags are set under the lock: the receiving half, which reads them after it has
        // registered its waker, either sees the change or is woken.
        match effects.reached {
            Some(Milestone::Closing) => self.closing.store(true, Ordering::Release),
            Some(Milestone::CloseWritten) => self.close_written.store(true, Ordering::Release),
            Some(Milestone::Aborted) => {
                self.closing.store(true, Ordering::Release);
                self.aborted.store(true, Ordering::Release);
            }
            None => {}
        }
        drop(state);
        if matches!(effects.reached, Some(Milestone::Closing | Milestone::Aborted)) {
            self.capacity.close();
            self.fragments_permit.close();
        }
        if effects.freed > 0 {
            self.capacity.add_permits(effects.freed);
        }
        if effects.fragments_ended {
            self.fragments_permit.add_permits(1);
        }
        if effects.close_timeout_begins {
            self.close_timeout_begins.notify_one();
        }
        if effects.progress {
            self.progress.notify_waiters();
        }
        effects.woken.into_iter().flatten().for_each(Waker::wake);
        result
    }

    /// Wakes the writer task, whatever the task waits for.
    fn wake_writer_task(&self) {
        if let Some(writer) = &*self.writer() {
            writer.wake_task();
        }
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<OutboxWriter>> {
        // Ignoring the poison is safe: a transport that has panicked is polled only as it would be
        // without the lock.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
