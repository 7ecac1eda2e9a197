//! What the halves of a connection and its writer share.

mod streams;

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_proto::frame::Header;
use sockeye_proto::{CloseCode, CloseFrame, OpCode};
use tokio::sync::{Notify, Semaphore};

use super::queue::{Entry, Queue};
use super::stream::{Part, Stream};
use super::{Dropped, SendQueue};
use crate::error::{Error, Result};
use crate::figures::Reason;

/// While so much of pongs, pings and close frames waits, in bytes, the receiving half has to wait with more of them: it
/// keeps the last ping in mind and answers that one (RFC 6455 section 5.5.3).
const MAX_CONTROL: usize = 16 * 1024;

/// The writer takes so much of the queue at a time, in bytes, before it looks for control frames again.
const BATCH: usize = 64 * 1024;

/// ```text
///               asked to close, or         the close frame is written,
///               the peer closes            or the transport failed
///  Open ──────────────────────► Closing ─────────────────────────────► Ended
///    messages are taken            what was taken before a close that was asked for
///                                  is still written; otherwise it is dropped and counted
/// ```
#[derive(Debug)]
pub(super) struct Outbox {
    inside: Mutex<Inside>,
    pub(super) options: SendQueue,
    /// One permit for each byte of room.
    pub(super) room: Semaphore,
    /// The permit to send a message in fragments, of which there is one at a time.
    turn: Semaphore,
    /// As `Inside::stage` is no longer open, without a lock.
    closing: AtomicBool,
    /// There is something to write.
    work: Notify,
    /// Messages are no longer taken.
    closed: Notify,
    /// Something was written, or never will be.
    progress: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    queue: Queue,
    /// The message that is sent in fragments.
    stream: Option<Stream>,
    /// How many were begun, and the number of the last one that was written.
    streams: u64,
    streams_written: u64,
    /// Whole control frames, to be written before messages.
    control: Vec<u8>,
    close: Close,
    stage: Stage,
    /// The receiving half needs the transport no longer: its writing half is to be ended.
    finish: bool,
    /// The writer waits for work.
    idle: bool,
    /// How many messages were taken from senders, and how many of them were written or dropped.
    accepted: u64,
    settled: u64,
    sent: u64,
    dropped: Dropped,
    /// The task of the receiving half, when it waits for the writer.
    receiver: Option<Waker>,
    /// What the writer has failed with, until the receiving half was told.
    failure: Option<Error>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Closing,
    Ended,
}

/// The close frame that a sender asked for.
#[derive(Debug, Default)]
enum Close {
    #[default]
    None,
    /// To be sent after the queue.
    Asked(CloseFrame),
    /// On its way, as is any that the receiving half sent.
    Taken,
}

impl Close {
    /// The frame that was asked for, which is on its way from now on.
    fn take(&mut self) -> Option<CloseFrame> {
        match mem::take(self) {
            Self::Asked(frame) => {
                *self = Self::Taken;
                Some(frame)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

/// What the writer takes at a time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) control: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Of the message that is sent in fragments, after the entries.
    pub(super) part: Option<Part>,
    pub(super) close: Option<CloseFrame>,
    /// The transport is to be ended after it.
    pub(super) finish: bool,
    /// What is settled once it is written.
    messages: u64,
    fragments: usize,
    room: usize,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Outbox {
    pub(super) fn new(options: SendQueue) -> Self {
        Self {
            inside: Mutex::default(),
            room: Semaphore::new(options.capacity as usize),
            turn: Semaphore::new(1),
            options,
            closing: AtomicBool::new(false),
            work: Notify::new(),
            closed: Notify::new(),
            progress: Notify::new(),
        }
    }

    /// Takes a message for which there is room.
    pub(super) fn push(&self, entry: Entry) -> Result<(), Closed> {
        let mut inside = self.lock();
        if inside.stage != Stage::Open {
            return Err(Closed);
        }
        inside.accepted += 1;
        if let Some(replaced) = inside.queue.push(entry) {
            inside.dropped.count(Reason::Replaced, 1);
            self.settle_dropped(&mut inside, &replaced);
        }
        self.tell_writer(inside);
        Ok(())
    }

    /// Makes room by dropping the oldest message that waits. Says whether there was one.
    pub(super) fn drop_oldest(&self) -> bool {
        let mut inside = self.lock();
        let Some(oldest) = inside.queue.pop() else { return false };
        inside.dropped.count(Reason::Oldest, 1);
        self.settle_dropped(&mut inside, &oldest);
        true
    }

    /// A message was given up for which there was no room.
    pub(super) fn drop_newest(&self) {
        self.lock().dropped.count(Reason::Newest, 1);
    }

    /// Asks for the close frame, to be sent after the queue. A second one is not sent.
    pub(super) fn close(&self, frame: CloseFrame) {
        let mut inside = self.lock();
        if inside.stage == Stage::Open {
            inside.close = Close::Asked(frame);
            self.begin_closing(&mut inside);
            self.tell_writer(inside);
        }
    }

    /// Gives up what waits, and closes with 1013.
    pub(super) fn disconnect(&self) {
        let mut inside = self.lock();
        if inside.stage == Stage::Open {
            let reason = "the peer does not keep up".into();
            inside.close = Close::Asked(CloseFrame { code: CloseCode::TRY_AGAIN_LATER, reason });
            self.begin_closing(&mut inside);
            self.drop_queue(&mut inside);
            self.tell_writer(inside);
        }
    }

    /// Control frames of the receiving half, whole; pending while too many wait.
    pub(super) fn poll_control(&self, cx: &Context<'_>, frames: &[u8]) -> Poll<Result<(), Closed>> {
        let mut inside = self.lock();
        match (&inside.close, inside.stage) {
            // The close frame is out: nothing follows it.
            (Close::Taken, _) => return Poll::Ready(Ok(())),
            (_, Stage::Ended) => return Poll::Ready(Err(Closed)),
            _ => {}
        }
        if inside.control.len() >= MAX_CONTROL {
            inside.receiver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if closes(frames) {
            // The peer has closed, or failed the connection: what waits is of no use to it.
            self.drop_queue(&mut inside);
            if let Close::None = inside.close {
                inside.control.extend_from_slice(frames);
                inside.close = Close::Taken;
                self.begin_closing(&mut inside);
            }
        } else {
            inside.control.extend_from_slice(frames);
        }
        self.tell_writer(inside);
        Poll::Ready(Ok(()))
    }

    /// The receiving half is over; what waits is dropped. Ready when the transport was ended.
    pub(super) fn poll_finish(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inside = self.lock();
        if inside.stage == Stage::Ended {
            return Poll::Ready(());
        }
        inside.receiver = Some(cx.waker().clone());
        self.drop_queue(&mut inside);
        self.finish(inside);
        Poll::Pending
    }

    /// The receiving half was dropped: what waits is written, then a close frame, and the transport is ended.
    pub(super) fn abandon(&self) {
        let mut inside = self.lock();
        if inside.stage == Stage::Open {
            inside.close = Close::Asked(CloseFrame::from(CloseCode::GOING_AWAY));
        }
        self.finish(inside);
    }

    /// The connection is over, and the receiving half has said how.
    pub(super) fn give_up(&self) {
        let mut inside = self.lock();
        self.drop_queue(&mut inside);
        self.finish(inside);
    }

    fn finish(&self, mut inside: MutexGuard<'_, Inside>) {
        inside.finish = true;
        self.begin_closing(&mut inside);
        self.tell_writer(inside);
    }

    /// Whether messages are no longer taken.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// What the writer has failed with, once. The receiving half, which waits for input, is woken when it does, and when
    /// senders close.
    pub(super) fn poll_failed(&self, cx: &Context<'_>) -> Poll<Error> {
        let mut inside = self.lock();
        if let Some(error) = inside.failure.take() {
            return Poll::Ready(error);
        }
        if inside.receiver.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            inside.receiver = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until all messages that were taken so far are with the transport, or never will be. Says whether all went.
    pub(super) async fn flushed(&self) -> Result<(), Closed> {
        let accepted = self.lock().accepted;
        loop {
            let progress = self.progress.notified();
            {
                let inside = self.lock();
                if inside.settled >= accepted {
                    return if inside.dropped.unsent == 0 { Ok(()) } else { Err(Closed) };
                }
            }
            progress.await;
        }
    }

    /// For the writer: what there is to write, waiting for it.
    pub(super) async fn take(&self, batch: &mut Batch) {
        while !self.try_take(batch) {
            self.work.notified().await;
        }
    }

    fn try_take(&self, batch: &mut Batch) -> bool {
        let mut inside = self.lock();
        mem::swap(&mut batch.control, &mut inside.control);
        if inside.stage != Stage::Open {
            self.cut_stream(&mut inside);
        }
        batch.room = 0;
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.4
        //# The fragments of one message MUST NOT be interleaved between the
        //# fragments of another message unless an extension has been
        //# negotiated that can interpret the interleaving.
        let before = inside.stream.as_ref().map_or(u64::MAX, Stream::before);
        while batch.room < BATCH && inside.queue.first_number() < before {
            let Some(entry) = inside.queue.pop() else { break };
            batch.room += entry.room as usize;
            batch.entries.push(entry);
        }
        batch.messages = batch.entries.len() as u64;
        let first = inside.queue.first_number();
        if let Some(stream) = inside.stream.as_mut().filter(|_| first >= before) {
            batch.part = stream.take();
        }
        if let Some(part) = &batch.part {
            batch.fragments = part.fragments.len();
            batch.messages += u64::from(part.ends);
        }
        let all = inside.queue.is_empty() && inside.stream.is_none();
        if all {
            batch.close = inside.close.take();
        }
        batch.finish = inside.finish && all;
        let something = !batch.control.is_empty()
            || batch.messages > 0
            || batch.part.is_some()
            || batch.close.is_some()
            || batch.finish;
        inside.idle = !something;
        if !batch.control.is_empty() {
            wake(inside.receiver.take());
        }
        something
    }

    /// For the writer: all of the batch is with the transport.
    pub(super) fn written(&self, batch: &mut Batch) {
        let messages = mem::take(&mut batch.messages);
        let fragments = mem::take(&mut batch.fragments);
        let mut guard = self.lock();
        let inside = &mut *guard;
        inside.settled += messages;
        inside.sent += messages;
        if let Some(stream) = inside.stream.as_mut().filter(|_| fragments > 0) {
            stream.written(fragments);
            if stream.is_finished() && stream.is_written() {
                inside.stream = None;
                inside.streams_written = inside.streams;
                self.turn.add_permits(1);
            }
        }
        drop(guard);
        self.room.add_permits(batch.room);
        self.progress.notify_waiters();
    }

    /// For the writer: waits until messages are no longer taken, and `time` more.
    pub(super) async fn overdue(&self, time: Duration) {
        self.closed.notified().await;
        tokio::time::sleep(time).await;
    }

    /// For the writer: it is over. If it failed, what is left in `batch` was not written.
    pub(super) fn end(&self, batch: &Batch, written: Result<()>) {
        let mut inside = self.lock();
        if let Err(error) = written {
            inside.dropped.count(Reason::Unsent, batch.messages);
            inside.settled += batch.messages;
            // A message that was refused leaves a transport that can be read from.
            inside.failure = Some(error).filter(|error| !matches!(error, Error::Usage(_)));
        }
        self.begin_closing(&mut inside);
        inside.stage = Stage::Ended;
        self.drop_queue(&mut inside);
        wake(inside.receiver.take());
    }

    /// Messages that wait, those that were sent, and those that were dropped.
    pub(super) fn figures(&self) -> (usize, u64, Dropped) {
        let inside = self.lock();
        (inside.queue.len(), inside.sent, inside.dropped)
    }

    fn begin_closing(&self, inside: &mut Inside) {
        if inside.stage == Stage::Open {
            inside.stage = Stage::Closing;
            self.closing.store(true, Ordering::Release);
            self.room.close();
            self.turn.close();
            self.closed.notify_one();
            wake(inside.receiver.take());
            if let Some(stream) = &mut inside.stream {
                stream.wake();
            }
        }
    }

    /// A message that was taken is not written.
    fn settle_dropped(&self, inside: &mut Inside, entry: &Entry) {
        inside.settled += 1;
        self.room.add_permits(entry.room as usize);
        self.progress.notify_waiters();
    }

    fn drop_queue(&self, inside: &mut Inside) {
        let stream = inside.stream.take();
        let left = stream.as_ref().is_some_and(Stream::is_left);
        if let Some(mut stream) = stream {
            stream.wake();
        }
        let count = inside.queue.len() as u64 + u64::from(left);
        inside.queue = Queue::default();
        inside.dropped.count(Reason::Unsent, count);
        inside.settled += count;
        self.progress.notify_waiters();
    }

    fn tell_writer(&self, mut inside: MutexGuard<'_, Inside>) {
        let idle = mem::take(&mut inside.idle);
        drop(inside);
        if idle {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it is locked.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is a close frame among whole control frames.
fn closes(mut frames: &[u8]) -> bool {
    while let Ok(Some((header, size))) = Header::decode(frames) {
        if header.opcode == OpCode::Close {
            return true;
        }
        // A control frame has at most 125 bytes of payload.
        let end = size + usize::try_from(header.length).unwrap_or(0);
        frames = frames.get(end..).unwrap_or_default();
    }
    false
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
