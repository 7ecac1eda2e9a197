//! The state machine of the outbox, without locks. Each method is one step. The tasks that a step
//! wakes are among its [`Effects`], which the [`Outbox`](super::Outbox) carries out.

use std::mem;
use std::task::{Poll, Waker};

use sockeye_proto::{CloseCode, CloseFrame, Kind};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::Dropped;
use super::super::queue::{Entry, Queue};
use super::control::Control;
use super::fragments::Fragments;
use super::lifecycle::{Close, Lifecycle, OutboxStage};
use super::pings::Pings;
use super::progress::Progress;
use super::receiving_half::ReceivingHalf;
use super::waiting_task::WaitingTask;
use super::{Batch, BoxedReadingHalf, Closed};
use crate::close_payload::ClosePayload;
use crate::error::Error;
use crate::metrics::Reason;

/// Approximate maximum size of the messages that the writer takes from the queue, in bytes, before
/// it checks for control frames again.
pub(in super::super) const MAX_BATCH: usize = 64 * 1024;

/// The messages, control frames and pings that wait for the writer.
///
/// ```text
///               close requested, or        the close frame is written,
///               the peer closes            or the transport failed
///  Open ──────────────────────► Closing ─────────────────────────────► Ended
///    messages are taken            queued messages are still written if this side
///                                  requested the close, else dropped and counted
/// ```
pub(super) struct OutboxState {
    queue: Queue,
    fragments: Fragments,
    control: Control,
    lifecycle: Lifecycle,
    pings: Pings,
    progress: Progress,
    receiver: ReceivingHalf,
    /// The writer task, while there is nothing to write.
    writer: WaitingTask,
    /// Maximum size of a batch, in bytes of capacity.
    batch_limit: usize,
    effects: Effects,
}

/// The effects of a step outside the state.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Capacity to be returned, in bytes.
    pub(super) freed: usize,
    /// `true` if another message may be sent in fragments.
    pub(super) fragments_ended: bool,
    pub(super) reached: Option<Milestone>,
    /// `true` if the close timeout begins.
    pub(super) close_timeout_begins: bool,
    /// `true` if messages were written or dropped.
    pub(super) progress: bool,
    /// The tasks to wake.
    pub(super) woken: [Option<Waker>; 3],
}

/// A change that the halves read without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Milestone {
    /// Messages are no longer taken.
    Closing,
    /// The close frame is written to the transport.
    CloseWritten,
    /// The connection is aborted, and messages are no longer taken.
    Aborted,
}

/// The position in the sequence of messages at one point in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The number of the next message to be queued.
    message: u64,
    /// The number of the last finished message in fragments.
    fragmented: u64,
}

impl OutboxState {
    /// Creates the state of an outbox with this capacity, in bytes.
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            queue: Queue::default(),
            fragments: Fragments::default(),
            control: Control::default(),
            lifecycle: Lifecycle::default(),
            pings: Pings::default(),
            progress: Progress::default(),
            receiver: ReceivingHalf::default(),
            writer: WaitingTask::default(),
            // At most half of the capacity, so that a drop policy finds messages that are not being
            // written.
            batch_limit: MAX_BATCH.min(capacity as usize / 2).max(1),
            effects: Effects::default(),
        }
    }

    /// Returns the effects of the step that ends.
    pub(super) fn take_effects(&mut self) -> Effects {
        let tasks = [&mut self.writer, &mut self.receiver.task, &mut self.fragments.task];
        Effects { woken: tasks.map(WaitingTask::take_woken), ..mem::take(&mut self.effects) }
    }

    /// Queues a message, for which `reserved` bytes of capacity are reserved; a queued message with
    /// the same key is replaced, and its capacity is used as well.
    pub(super) fn push(&mut self, entry: Entry, reserved: u32) -> Result<(), Closed> {
        if self.check_open().is_err() {
            self.effects.freed += reserved as usize;
            return Err(Closed);
        }
        let taken = entry.bytes;
        let replaced = self.queue.push(entry).map_or(0, |replaced| {
            self.progress.count_dropped(Reason::Replaced, 1);
            replaced.bytes
        });
        self.effects.freed += reserved as usize + replaced as usize - taken as usize;
        self.writer.wake();
        Ok(())
    }

    /// Returns the capacity of the queued message that a new one would replace, in bytes.
    pub(super) fn replaceable(&self, entry: &Entry) -> Option<u32> {
        self.check_open().ok()?;
        self.queue.replaced_by(entry).map(|replaced| replaced.bytes)
    }

    /// Drops the oldest queued message. Returns whether there was one.
    pub(super) fn drop_oldest(&mut self) -> Result<bool, Closed> {
        self.check_open()?;
        let Some(oldest) = self.queue.pop() else { return Ok(false) };
        self.progress.count_dropped(Reason::Oldest, 1);
        self.effects.freed += oldest.bytes as usize;
        self.effects.progress = true;
        Ok(true)
    }

    /// Counts a message that was dropped for lack of capacity.
    pub(super) fn drop_newest(&mut self) -> Result<(), Closed> {
        self.check_open()?;
        self.progress.count_dropped(Reason::Newest, 1);
        Ok(())
    }

    pub(super) fn request_ping(&mut self) -> Result<oneshot::Receiver<Instant>, Closed> {
        self.check_open()?;
        self.writer.wake();
        Ok(self.pings.request())
    }

    pub(super) fn handle_pong(&mut self, payload: &[u8], now: Instant) {
        self.pings.handle_pong(payload, now);
    }

    /// Requests the close frame, which is sent after the queue. Does nothing after the first close.
    pub(super) fn close(&mut self, frame: ClosePayload) {
        if self.check_open().is_ok() {
            self.lifecycle.request_close(frame);
            self.begin_closing();
            self.writer.wake();
        }
    }

    /// Drops the queued messages, and closes with 1013.
    pub(super) fn disconnect(&mut self) {
        if self.check_open().is_ok() {
            let reason = "the peer does not keep up";
            let frame = CloseFrame::from(CloseCode::TRY_AGAIN_LATER).with_reason(reason);
            self.close(ClosePayload(Some(frame)));
            self.drop_queue();
            // No output is left that the peer needs more time for.
            self.effects.close_timeout_begins = true;
        }
    }

    /// Drops the queued messages, for a connection that ends without a close frame.
    pub(super) fn abort(&mut self) {
        if self.lifecycle.stage != OutboxStage::Ended {
            self.begin_closing();
            self.effects.reached = Some(Milestone::Aborted);
            self.drop_queue();
            self.receiver.task.wake();
        }
    }

    /// Queues whole control frames of the receiving half; `closes` is `true` if the last of them is
    /// a close frame. Pending while too many are queued.
    pub(super) fn poll_control(
        &mut self,
        waker: &Waker,
        frames: &[u8],
        closes: bool,
    ) -> Poll<Result<(), Closed>> {
        match (&self.lifecycle.close, self.lifecycle.stage) {
            // The writer has taken the close frame: no frame may follow it.
            (Close::Taken | Close::Written, _) => return Poll::Ready(Ok(())),
            (_, OutboxStage::Ended) => return Poll::Ready(Err(Closed)),
            _ => {}
        }
        if self.control.is_full() {
            self.receiver.task.wait(waker);
            return Poll::Pending;
        }
        if closes {
            // The peer has closed the connection, or made it fail: queued messages are of no use.
            self.drop_queue();
            if self.lifecycle.answer() {
                self.control.push(frames);
                self.begin_closing();
            }
        } else {
            self.control.push(frames);
        }
        self.writer.wake();
        Poll::Ready(Ok(()))
    }

    /// Waits until the control frames of the receiving half, and a close frame that is on its way,
    /// are written to the transport.
    pub(super) fn poll_control_written(&mut self, waker: &Waker) -> Poll<()> {
        let written = self.control.is_written() && !self.lifecycle.is_close_pending();
        if written || self.lifecycle.stage == OutboxStage::Ended {
            return Poll::Ready(());
        }
        self.receiver.task.wait(waker);
        Poll::Pending
    }

    /// Drops the queued messages and ends the transport, after the receiving half has ended. Ready
    /// when the transport has ended.
    pub(super) fn poll_finish(&mut self, waker: &Waker) -> Poll<()> {
        if self.lifecycle.stage == OutboxStage::Ended {
            return Poll::Ready(());
        }
        self.receiver.task.wait(waker);
        self.drop_queue();
        self.finish();
        Poll::Pending
    }

    /// Makes the writer write the queued messages and a close frame, end the transport, and discard
    /// the peer's further input from the transport's `reading_half`.
    pub(super) fn on_receiver_dropped(&mut self, reading_half: Option<BoxedReadingHalf>) {
        if self.check_open().is_ok() {
            self.lifecycle.request_close(ClosePayload(Some(CloseCode::GOING_AWAY.into())));
        }
        if self.lifecycle.stage != OutboxStage::Ended {
            self.receiver.reading_half = reading_half;
        }
        self.finish();
    }

    /// Takes the reading half of the transport, once the receiving half was dropped.
    pub(super) fn take_reading_half(&mut self) -> Option<BoxedReadingHalf> {
        self.receiver.reading_half.take()
    }

    /// Drops the queued messages, then ends the transport, for which the close timeout begins.
    pub(super) fn discard_and_finish(&mut self) {
        self.drop_queue();
        self.effects.close_timeout_begins = true;
        self.finish();
    }

    /// Takes the error of the writer. The receiving half, which waits for input, is woken when
    /// there is an error, and when the close frame is written.
    pub(super) fn poll_failure(&mut self, waker: &Waker) -> Poll<Error> {
        self.receiver.poll_failure(waker)
    }

    /// Takes the error of a close frame that could not be written in time.
    pub(super) fn take_overdue_close(&mut self) -> Option<Error> {
        if self.lifecycle.is_close_written() { None } else { self.receiver.take_timeout() }
    }

    /// Returns the error of the writer, unless the receiving half has taken it.
    pub(super) const fn failure(&self) -> Option<&Error> {
        self.receiver.failure()
    }

    /// Begins a message in fragments; no other one may be in progress. Returns its number.
    pub(super) fn begin_fragments(&mut self, kind: Kind) -> Result<u64, Closed> {
        self.check_open()?;
        Ok(self.fragments.begin(kind))
    }

    /// Waits until the current message may be given another fragment.
    pub(super) fn poll_fragment_capacity(&mut self, waker: &Waker) -> Poll<Result<(), Closed>> {
        let capacity = self.check_open().and_then(|()| self.fragments.has_capacity());
        self.poll_fragments(capacity, waker)
    }

    /// Adds a fragment to the current message.
    pub(super) fn push_fragment(&mut self, fragment: Vec<u8>, last: bool) -> Result<(), Closed> {
        self.check_open()?;
        self.fragments.push(fragment, last, self.queue.next_number())?;
        self.writer.wake();
        Ok(())
    }

    /// Waits until all fragments so far of the message of this number are written.
    pub(super) fn poll_fragments_written(
        &mut self,
        waker: &Waker,
        number: u64,
    ) -> Poll<Result<(), Closed>> {
        let written = self.fragments.are_written(number);
        self.poll_fragments(written, waker)
    }

    fn poll_fragments(
        &mut self,
        ready: Result<bool, Closed>,
        waker: &Waker,
    ) -> Poll<Result<(), Closed>> {
        if ready == Ok(false) {
            self.fragments.task.wait(waker);
            return Poll::Pending;
        }
        Poll::Ready(ready.map(|_| ()))
    }

    /// Cancels the current message, which will not be finished. If a part of it was sent, it cannot
    /// be taken back, and the connection is closed with 1011.
    pub(super) fn cancel_fragments(&mut self) {
        if self.check_open().is_err() {
            return;
        }
        if self.fragments.is_partly_taken() {
            let reason = "a message was not finished";
            let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR).with_reason(reason);
            self.close(ClosePayload(Some(frame)));
        } else {
            self.fragments.drop_unfinished();
            self.effects.fragments_ended = true;
            // Messages may have waited behind the cancelled one.
            self.writer.wake();
        }
    }

    /// Takes a batch for the writer. Returns whether there is something to write; otherwise `task`
    /// is woken when there is.
    pub(super) fn take(&mut self, batch: &mut Batch, task: &Waker) -> bool {
        if self.lifecycle.stage != OutboxStage::Open {
            self.cut_fragments();
        }
        self.control.take(&mut batch.control);
        batch.ping = None;
        if self.lifecycle.stage == OutboxStage::Open {
            batch.ping = self.pings.take();
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.4
        //# The fragments of one message MUST NOT be interleaved between the
        //# fragments of another message unless an extension has been
        //# negotiated that can interpret the interleaving.
        let before = self.fragments.before();
        let first = self.queue.first_number();
        batch.bytes = 0;
        while batch.bytes < self.batch_limit && self.queue.first_number() < before {
            let Some(entry) = self.queue.pop() else { break };
            batch.bytes += entry.bytes as usize;
            batch.entries.push(entry);
        }
        batch.messages = batch.entries.len() as u64;
        self.progress.on_taken((batch.messages > 0).then_some(first));
        batch.fragments = 0;
        if self.queue.first_number() >= before {
            batch.part = self.fragments.take();
        }
        if let Some(part) = &batch.part {
            batch.fragments = part.fragments.len();
            batch.messages += u64::from(part.ends);
        }
        let all = self.queue.is_empty() && self.fragments.is_empty();
        if all {
            batch.close = self.lifecycle.take_close();
        }
        batch.finish = self.lifecycle.finish && all;
        batch.taken = !batch.control.is_empty()
            || batch.ping.is_some()
            || !batch.entries.is_empty()
            || batch.part.is_some()
            || batch.close.is_some();
        if !batch.control.is_empty() {
            self.receiver.task.wake();
        }
        let something = batch.taken || batch.finish;
        if something {
            self.writer.forget();
        } else {
            self.writer.wait(task);
        }
        something
    }

    /// Records that the writer has written all of the batch to the transport.
    pub(super) fn on_written(&mut self, batch: &mut Batch) {
        batch.taken = false;
        self.progress.on_written(batch.messages);
        self.effects.fragments_ended = self.fragments.on_written(batch.fragments);
        if self.control.on_written() {
            self.receiver.task.wake();
        }
        if self.control.is_written() && self.lifecycle.on_close_written() {
            self.effects.reached = Some(Milestone::CloseWritten);
            self.effects.close_timeout_begins = true;
            self.receiver.task.wake();
        }
        self.effects.freed += batch.bytes;
        self.effects.progress = true;
    }

    /// Ends the connection. `batch` is the last one that the writer has taken, and `error` the
    /// writer's error, if any.
    pub(super) fn on_end(&mut self, batch: &Batch, error: Option<Error>) {
        if batch.taken {
            self.progress.on_taken_lost(batch.messages);
            self.effects.freed += batch.bytes;
        }
        self.begin_closing();
        self.lifecycle.stage = OutboxStage::Ended;
        self.drop_queue();
        self.fragments.on_end();
        self.writer.forget();
        self.receiver.on_end(error);
    }

    /// Returns the position after the messages taken so far.
    pub(super) fn position(&self) -> Position {
        Position { message: self.queue.next_number(), fragmented: self.fragments.finished() }
    }

    /// Returns whether all messages up to the position are written or dropped; an error if some are
    /// lost, `None` if some are still to be written.
    pub(super) fn is_flushed(&self, position: Position) -> Option<Result<(), Closed>> {
        let Position { message, fragmented } = position;
        if self.progress.is_lost(message) || self.fragments.is_lost(fragmented) {
            return Some(Err(Closed));
        }
        let written = self.progress.first_unwritten(self.queue.first_number()) >= message;
        (written && self.fragments.is_written(fragmented)).then_some(Ok(()))
    }

    /// Returns the number of queued messages.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of sent messages, and the counts of dropped messages.
    pub(super) const fn counts(&self) -> (u64, Dropped) {
        (self.progress.sent(), self.progress.dropped())
    }

    fn check_open(&self) -> Result<(), Closed> {
        if self.lifecycle.stage == OutboxStage::Open { Ok(()) } else { Err(Closed) }
    }

    fn begin_closing(&mut self) {
        if self.check_open().is_ok() {
            self.lifecycle.stage = OutboxStage::Closing;
            self.effects.reached = Some(Milestone::Closing);
            self.receiver.task.wake();
            self.fragments.task.wake();
        }
    }

    fn finish(&mut self) {
        self.lifecycle.finish = true;
        self.begin_closing();
        self.writer.wake();
    }

    /// Drops and counts the queued messages, once the connection is closing.
    fn drop_queue(&mut self) {
        let mut count = self.queue.len() as u64;
        if count > 0 {
            self.progress.on_lost(self.queue.first_number());
            self.effects.freed += self.queue.clear();
        }
        count += u64::from(self.fragments.drop_waiting());
        self.pings.clear();
        self.progress.count_dropped(Reason::Unsent, count);
        self.effects.progress = true;
    }

    /// Drops a message in fragments that is not finished when the connection closes, since it can
    /// no longer be finished; if a part of it was sent, the queue as well, since no other message
    /// can follow.
    fn cut_fragments(&mut self) {
        if self.fragments.is_partly_taken() {
            self.drop_queue();
        } else {
            self.fragments.drop_unfinished();
        }
    }
}
