use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use sockeye_proto::connection::SendingHalf;
use sockeye_proto::{TimedOut, UsageError};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::outbox::{Batch, Outbox};
use super::queue::Content;
use super::stream::Part;
use crate::error::Result;
use crate::figures::Side;
use crate::websocket::output::Output;
use crate::websocket::patience::{Patience, TooLong};

/// The task that writes: the only one that does, so that nobody else ever waits for the peer.
pub(super) struct Writer<W> {
    pub(super) transport: W,
    pub(super) sending: SendingHalf,
    /// The figures that it counts in.
    pub(super) side: Side,
    pub(super) output: Output,
    pub(super) outbox: Arc<Outbox>,
    /// How long it may go on once the connection closes.
    pub(super) close_timeout: Duration,
    /// With a transport that takes nothing.
    pub(super) patience: Patience,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes until the connection is over.
    pub(super) async fn run(mut self) {
        let (outbox, close_timeout) = (self.outbox.clone(), self.close_timeout);
        let mut batch = Batch::default();
        let written = {
            let mut work = pin!(self.write(&mut batch));
            let mut overdue = pin!(outbox.overdue(close_timeout));
            poll_fn(|cx| {
                let written = work.as_mut().poll(cx);
                if written.is_pending() && overdue.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(TimedOut::Closing.into()));
                }
                written
            })
            .await
        };
        if let Err(error) = &written {
            tracing::debug!(%error, "what was left could not be written");
        }
        outbox.end(&batch, written);
    }

    async fn write(&mut self, batch: &mut Batch) -> Result<()> {
        // What was left to write when the connection was split.
        self.flush().await?;
        loop {
            self.outbox.take(batch).await;
            self.output.buffer().append(&mut batch.control);
            for entry in batch.entries.drain(..) {
                let message = entry.content.message();
                let (kind, length, before) = (message.kind(), message.len(), self.output.len());
                // Refused where a message was left open that was sent in fragments: nothing can follow that.
                if let Some(rest) = self.encode(entry.content)? {
                    self.output.push_shared(rest);
                }
                self.side.sent(kind, length, self.output.len() - before);
            }
            if let Some(part) = batch.part.take() {
                self.encode_part(part)?;
            }
            if let Some(frame) = batch.close.take() {
                // It was checked when it was asked for.
                if self.sending.close(Some(&frame), self.output.buffer()).is_ok() {
                    self.side.close_sent(Some(frame.code));
                }
            }
            self.flush().await?;
            self.outbox.written(batch);
            if batch.finish {
                return Ok(self.transport.shutdown().await?);
            }
        }
    }

    /// Appends a message to the output, or the beginning of its frame, and gives the rest.
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
            self.side.sent_part(kind, fragment.len(), self.output.len() - before);
        }
        if let Some(last) = last {
            let before = self.output.len();
            self.sending.finish_message(&last, self.output.buffer())?;
            self.side.sent(kind, last.len(), self.output.len() - before);
        }
        Ok(())
    }

    /// Writes all output, unless the transport takes nothing for too long.
    async fn flush(&mut self) -> Result<()> {
        let flushed = poll_fn(|cx| {
            let before = self.output.len();
            let flushed = self.output.poll_flush(cx, &mut self.transport);
            self.patience.poll_progress(cx, flushed, || self.output.len() < before)
        });
        match flushed.await {
            Ok(flushed) => Ok(flushed?),
            Err(TooLong) => Err(TimedOut::Writing.into()),
        }
    }
}
