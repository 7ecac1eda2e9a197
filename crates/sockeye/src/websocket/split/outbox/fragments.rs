//! Messages that are sent in fragments, one at a time.

use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, Kind};

use super::lifecycle::OutboxStage;
use super::{Closed, Inner, Outbox, wake_writer};
use crate::close_payload::ClosePayload;
use crate::websocket::split::stream::{Part, Stream};

/// The message that is sent in fragments. Such messages are numbered from 1; none is begun before
/// the last one is written or given up, so that `written <= finished <= begun`.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    current: Option<Stream>,
    begun: u64,
    /// The number of the last message whose last fragment was added.
    finished: u64,
    /// The number of the last message that was written.
    written: u64,
    /// `true` if the last finished message will not be written.
    lost: bool,
}

impl Fragments {
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// Returns the number of the first queued message that must wait for the message in fragments.
    pub(super) fn before(&self) -> u64 {
        self.current.as_ref().map_or(u64::MAX, Stream::before)
    }

    /// Takes the waiting fragments, when it is their turn.
    pub(super) fn take(&mut self) -> Option<Part> {
        self.current.as_mut()?.take()
    }

    /// Records that `fragments` fragments are written. Returns whether the message ended with them.
    pub(super) fn on_written(&mut self, fragments: usize) -> bool {
        let Some(stream) = self.current.as_mut().filter(|_| fragments > 0) else { return false };
        stream.written(fragments);
        let ends = stream.is_finished() && stream.is_written();
        if ends {
            self.current = None;
            self.written = self.begun;
        }
        ends
    }

    pub(super) fn finished(&self) -> u64 {
        self.finished
    }

    /// Returns whether the message of this number is written.
    pub(super) fn is_written(&self, number: u64) -> bool {
        self.written >= number
    }

    /// Returns whether the message of this number will not be written.
    pub(super) fn is_lost(&self, number: u64) -> bool {
        self.lost && !self.is_written(number)
    }

    /// Drops the message unless the writer has taken all of it. Returns whether a finished message
    /// was dropped.
    pub(super) fn drop_waiting(&mut self) -> bool {
        let Some(stream) = &mut self.current else { return false };
        let left = stream.is_left();
        if !stream.is_finished() || left {
            stream.wake();
            self.current = None;
        }
        self.lost |= left;
        left
    }

    /// Drops the message, as nothing more is written.
    pub(super) fn end(&mut self) {
        if let Some(mut stream) = self.current.take() {
            self.lost |= stream.is_finished();
            stream.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(stream) = &mut self.current {
            stream.wake();
        }
    }
}

impl Outbox {
    /// Begins a message in fragments, once no other one is being sent. Returns its number.
    pub(in crate::websocket::split) async fn begin_stream(
        &self,
        kind: Kind,
    ) -> Result<u64, Closed> {
        self.turn.acquire().await.map_err(|_| Closed)?.forget();
        let mut inner = self.lock();
        if inner.lifecycle.stage != OutboxStage::Open {
            return Err(Closed);
        }
        let fragments = &mut inner.fragments;
        fragments.current = Some(Stream::new(kind));
        fragments.begun += 1;
        Ok(fragments.begun)
    }

    /// Waits until the current message may be given another fragment.
    pub(in crate::websocket::split) fn poll_stream_room(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        match (inner.lifecycle.stage, &mut inner.fragments.current) {
            (OutboxStage::Open, Some(stream)) if stream.has_room() => Poll::Ready(Ok(())),
            (OutboxStage::Open, Some(stream)) => {
                stream.watch(cx);
                Poll::Pending
            }
            _ => Poll::Ready(Err(Closed)),
        }
    }

    /// Takes a fragment of the current message.
    pub(in crate::websocket::split) fn push_fragment(
        &self,
        fragment: Vec<u8>,
        last: bool,
    ) -> Result<(), Closed> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let (OutboxStage::Open, Some(stream)) =
            (inner.lifecycle.stage, &mut inner.fragments.current)
        else {
            return Err(Closed);
        };
        stream.push(fragment, last, inner.queue.next_number());
        if last {
            inner.fragments.finished = inner.fragments.begun;
        }
        wake_writer(guard);
        Ok(())
    }

    /// Waits until all fragments so far of the message of this number are written to the transport.
    pub(in crate::websocket::split) fn poll_stream_written(
        &self,
        cx: &Context<'_>,
        number: u64,
    ) -> Poll<Result<(), Closed>> {
        let mut inner = self.lock();
        if inner.fragments.is_written(number) {
            return Poll::Ready(Ok(()));
        }
        match &mut inner.fragments.current {
            Some(stream) if stream.is_written() => Poll::Ready(Ok(())),
            Some(stream) => {
                stream.watch(cx);
                Poll::Pending
            }
            None => Poll::Ready(Err(Closed)),
        }
    }

    /// Cancels the current message, which will not be finished. If a part of it was sent, it cannot
    /// be taken back, and the connection is closed with 1011.
    pub(in crate::websocket::split) fn cancel_stream(&self) {
        let mut inner = self.lock();
        if inner.lifecycle.stage != OutboxStage::Open {
            return;
        }
        if inner.fragments.current.as_ref().is_some_and(Stream::has_begun) {
            let reason = "a message was not finished";
            let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR).with_reason(reason);
            inner.lifecycle.ask(ClosePayload(Some(frame)));
            self.begin_closing(&mut inner);
        } else {
            inner.fragments.current = None;
            self.turn.add_permits(1);
        }
        // Messages may have waited behind the cancelled one.
        wake_writer(inner);
    }

    /// Drops a message in fragments that is not finished when the connection closes, since it can
    /// no longer be finished; if a part of it was sent, the queue as well, since no other message
    /// can follow.
    pub(super) fn cut_fragments(&self, inner: &mut Inner) {
        match &inner.fragments.current {
            Some(stream) if stream.is_finished() => {}
            Some(stream) if stream.has_begun() => self.drop_queue(inner),
            _ => inner.fragments.current = None,
        }
    }
}
