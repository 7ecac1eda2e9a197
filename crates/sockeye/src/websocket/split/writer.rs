use std::future::{Future as _, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use sockeye_proto::connection::SendingHalf;
use sockeye_proto::{MemoryBudget, TimedOut, UsageError};
use tokio::io::AsyncWrite;
use tokio::task::unconstrained;
use tokio::time::timeout;

use super::outbox::{Batch, BoxedReadingHalf, Outbox, Part};
use super::queue::Content;
use crate::close_payload::ClosePayload;
use crate::driver::output::AsyncOutput;
use crate::driver::{Elapsed, ProgressTimeout, read};
use crate::error::{Error, Result};
use crate::metrics::RoleMetrics;
use crate::traffic::Traffic;
use crate::transport::reset_when_dropped;

/// Maximum amount of input, in bytes, that is discarded while the peer takes nothing, on a
/// connection whose receiver was dropped: the peer may finish what it was sending, and cannot keep
/// the task busy until its timeout. Chosen: a socket that receives holds about as much.
const MAX_DISCARDED: usize = 4 << 20;

/// The writer, which writes the contents of the [`Outbox`] to the transport.
///
/// A separate task drives the writer, so that no other task waits for the peer. A sender that finds
/// the queue full drives it as well, without waiting: the transport wakes the task in either case.
pub(super) struct OutboxWriter {
    transport: Box<dyn AsyncWrite + Send + Unpin>,
    sending: SendingHalf,
    /// The metrics that the writer updates.
    role_metrics: RoleMetrics,
    /// Counts of the connection, if the program wants them.
    traffic: Option<Traffic>,
    output: AsyncOutput,
    batch: Batch,
    task: Waker,
    /// `true` if a batch was taken that the task does not know of, and for which no timeout runs.
    unwatched: bool,
    /// Number of bytes that the transport has taken.
    taken: u64,
    /// The result of the writer, until the task has taken it.
    ended: Option<Result<()>>,
}

/// The progress of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterStep {
    /// The writer has taken a batch.
    Taken,
    /// The transport takes nothing more for now.
    Blocked,
    /// There is nothing to write.
    Idle,
    /// The transport was ended, or failed.
    Ended,
}

impl OutboxWriter {
    /// Creates a writer that begins with the output left when the connection was split.
    pub(super) fn new(
        transport: Box<dyn AsyncWrite + Send + Unpin>,
        sending: SendingHalf,
        role_metrics: RoleMetrics,
        traffic: Option<Traffic>,
        output: AsyncOutput,
    ) -> Self {
        Self {
            transport,
            sending,
            role_metrics,
            traffic,
            output,
            batch: Batch::default(),
            task: Waker::noop().clone(),
            unwatched: false,
            taken: 0,
            ended: None,
        }
    }

    /// Writes until the transport takes nothing, or nothing is left; `cx` is woken then. Returns as
    /// well how many bytes the transport has taken so far.
    pub(super) fn advance_for_task(
        &mut self,
        cx: &Context<'_>,
        outbox: &Outbox,
    ) -> (WriterStep, u64) {
        self.task.clone_from(cx.waker());
        let step = loop {
            match self.advance(outbox) {
                WriterStep::Taken => {}
                step => break step,
            }
        };
        self.unwatched = false;
        (step, self.taken)
    }

    /// Writes the current batch, then takes the next one.
    pub(super) fn advance_for_sender(&mut self, outbox: &Outbox) -> WriterStep {
        // The budget is that of the sender's task: using it up says nothing about the transport.
        let step = pin!(unconstrained(poll_fn(|_| Poll::Ready(self.advance(outbox)))))
            .poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(step) = step else { return WriterStep::Blocked };
        if step == WriterStep::Ended {
            self.wake_task();
        }
        step
    }

    /// Hands a batch that a sender has taken over to the task.
    pub(super) fn hand_over(&mut self) {
        if mem::take(&mut self.unwatched) {
            self.wake_task();
        }
    }

    pub(super) fn wake_task(&self) {
        self.task.wake_by_ref();
    }

    /// Returns whether output was written since the last call, and whether a write had to wait for
    /// the peer.
    pub(super) fn take_written(&mut self) -> Option<bool> {
        self.output.take_written()
    }

    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }

    pub(super) fn take_error(&mut self) -> Option<Error> {
        self.ended.take()?.err()
    }

    fn advance(&mut self, outbox: &Outbox) -> WriterStep {
        if self.ended.is_some() {
            return WriterStep::Ended;
        }
        let task = mem::replace(&mut self.task, Waker::noop().clone());
        let polled = self.poll_advance(&mut Context::from_waker(&task), outbox);
        self.task = task;
        match polled {
            Poll::Pending => WriterStep::Blocked,
            Poll::Ready(Ok(WriterStep::Ended)) => {
                self.ended = Some(Ok(()));
                WriterStep::Ended
            }
            Poll::Ready(Ok(step)) => step,
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "the remaining output could not be written");
                self.ended = Some(Err(error));
                WriterStep::Ended
            }
        }
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<Result<WriterStep>> {
        let before = self.output.len();
        let flushed = self.output.poll_flush(cx, &mut self.transport);
        self.taken += (before - self.output.len()) as u64;
        ready!(flushed)?;
        outbox.on_written(&mut self.batch);
        if self.batch.finish {
            ready!(Pin::new(&mut self.transport).poll_shutdown(cx))?;
            return Poll::Ready(Ok(WriterStep::Ended));
        }
        if !outbox.take(&mut self.batch, cx.waker()) {
            return Poll::Ready(Ok(WriterStep::Idle));
        }
        self.unwatched = true;
        self.encode_batch()?;
        Poll::Ready(Ok(WriterStep::Taken))
    }

    /// Appends the batch to the output.
    fn encode_batch(&mut self) -> Result<(), UsageError> {
        self.output.buffer().append(&mut self.batch.control);
        if let Some(payload) = self.batch.ping.take() {
            // Refused only if a close frame was sent before the connection was split.
            let _ = self.sending.ping(&payload, self.output.buffer());
        }
        let mut entries = mem::take(&mut self.batch.entries);
        for entry in entries.drain(..) {
            let message = entry.content.message();
            let (kind, length, before) = (message.kind(), message.len(), self.output.len());
            // Refused if a message in fragments was left open: nothing can follow that.
            if let Some(rest) = self.encode(entry.content)? {
                self.output.push_shared(rest);
            }
            self.role_metrics.count_sent(kind, length, self.output.len() - before);
            if let Some(traffic) = &self.traffic {
                traffic.count_sent(length);
            }
        }
        self.batch.entries = entries;
        if let Some(part) = self.batch.part.take() {
            self.encode_part(part)?;
        }
        if let Some(ClosePayload(frame)) = self.batch.close.take() {
            // The frame was checked when it was requested.
            if self.sending.close(frame.as_ref(), self.output.buffer()).is_ok() {
                if let Some(traffic) = &self.traffic {
                    traffic.record_close(frame.as_ref());
                }
                self.role_metrics.count_close_sent(frame.map(|frame| frame.code));
            }
        }
        Ok(())
    }

    /// Appends a message to the output, or the beginning of its frame, and returns the rest.
    #[inline]
    fn encode(&mut self, content: Content) -> Result<Option<Bytes>, UsageError> {
        let out = self.output.buffer();
        match content {
            Content::Message(message) => {
                let in_place = self.sending.send_in_place(message.as_ref(), out)?;
                Ok(in_place.then(|| message.into_bytes()))
            }
            Content::Prepared(prepared) => self.sending.send_prepared(&prepared, out),
        }
    }

    /// Appends fragments to the output.
    fn encode_part(&mut self, part: Part) -> Result<(), UsageError> {
        let Part { kind, begins, mut fragments, ends } = part;
        if begins {
            self.sending.begin_message(kind)?;
        }
        let last = if ends { fragments.pop_back() } else { None };
        for fragment in fragments {
            let before = self.output.len();
            self.sending.append_fragment(&fragment, self.output.buffer())?;
            self.role_metrics.count_sent_part(kind, fragment.len(), self.output.len() - before);
            if let Some(traffic) = &self.traffic {
                traffic.count_sent_part(fragment.len());
            }
        }
        if let Some(last) = last {
            let before = self.output.len();
            self.sending.finish_message(&last, self.output.buffer())?;
            self.role_metrics.count_sent(kind, last.len(), self.output.len() - before);
            if let Some(traffic) = &self.traffic {
                traffic.count_sent(last.len());
            }
        }
        Ok(())
    }
}

/// The task that drives the writer, until the connection is over.
pub(super) struct WriterTask {
    pub(super) outbox: Arc<Outbox>,
    /// Timeout of a transport that takes no output.
    pub(super) progress_timeout: ProgressTimeout,
    /// Timeout of the task once no output is left that the peer needs more time for.
    pub(super) close_timeout: Duration,
    /// The budget that unwritten messages are charged to.
    pub(super) budget: Option<MemoryBudget>,
}

impl WriterTask {
    pub(super) async fn run(mut self) {
        let outbox = self.outbox.clone();
        let mut close_timeout = pin!(unconstrained(outbox.close_timeout(self.close_timeout)));
        let mut input = DiscardedInput::default();
        let mut last_taken = 0;
        let error = poll_fn(|cx| {
            let before = last_taken;
            // The first call registers this task with the writer: an abort before that wakes
            // nothing, and is seen afterwards.
            let written = self.poll_writer(cx, &mut last_taken);
            if outbox.is_aborted() {
                return Poll::Ready(Some(Error::Closed(None)));
            }
            if let Poll::Ready(error) = written {
                return Poll::Ready(error);
            }
            if input.reading_half.is_none() && outbox.is_closing() {
                input.reading_half = outbox.take_reading_half();
            }
            if last_taken != before {
                input.discarded = 0;
            }
            let _ = input.poll_discard(cx);
            // A peer that takes all output may use up the budget of the task.
            close_timeout.as_mut().poll(cx).map(|()| Some(TimedOut::Closing.into()))
        })
        .await;
        let finished = error.is_none();
        let writer = outbox.end(error);
        // The receiving half may have been dropped since the last poll.
        input.reading_half = input.reading_half.or_else(|| outbox.take_reading_half());
        if outbox.is_aborted() {
            reset_when_dropped(input.reading_half.as_ref().and_then(|half| half.socket()));
        }
        // With input unread, TCP would discard the last output.
        if finished && input.reading_half.is_some() {
            let drained = poll_fn(|cx| input.poll_discard(cx));
            let _ = timeout(self.close_timeout, drained).await;
        }
        drop(writer);
    }

    /// Drives the writer. Ready when the writer has ended, with an error if it took too long.
    /// `last_taken` is the number of bytes that the transport had taken when it was last blocked.
    fn poll_writer(&mut self, cx: &mut Context<'_>, last_taken: &mut u64) -> Poll<Option<Error>> {
        let (step, taken) = self.outbox.advance(cx);
        match step {
            WriterStep::Ended => return Poll::Ready(None),
            WriterStep::Idle | WriterStep::Taken => self.progress_timeout.reset(),
            WriterStep::Blocked => {
                if self.outbox.is_closing() {
                    self.progress_timeout.ensure_limit(self.close_timeout);
                }
                let moved = mem::replace(last_taken, taken) != taken;
                let waited = self.progress_timeout.poll_progress(cx, Poll::<()>::Pending, || moved);
                if let Poll::Ready(Err(Elapsed)) = waited {
                    return Poll::Ready(Some(TimedOut::Writing.into()));
                }
                if let Some(budget) = &self.budget {
                    let charged = self.progress_timeout.charge(cx, budget, self.outbox.unwritten());
                    if let Err(error) = charged {
                        return Poll::Ready(Some(error.into()));
                    }
                }
            }
        }
        Poll::Pending
    }
}

/// Ends the outbox when the runtime is shut down, or the connection is over: senders must not wait
/// for the task.
impl Drop for WriterTask {
    fn drop(&mut self) {
        drop(self.outbox.end(None));
    }
}

/// The reading half of a transport, taken over when the receiving half was dropped.
#[derive(Default)]
struct DiscardedInput {
    reading_half: Option<BoxedReadingHalf>,
    /// Number of bytes discarded since the transport last took output.
    discarded: usize,
}

impl DiscardedInput {
    /// Reads and discards the peer's input. Ready at its end; pending without a wake-up once the
    /// peer has sent too much.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(reading_half) = self.reading_half.as_mut() {
            if self.discarded >= MAX_DISCARDED {
                return Poll::Pending;
            }
            match read::poll_read(reading_half, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) if !read.is_empty() => self.discarded += read.len(),
                Poll::Ready(_) => self.reading_half = None,
            }
        }
        Poll::Ready(())
    }
}
