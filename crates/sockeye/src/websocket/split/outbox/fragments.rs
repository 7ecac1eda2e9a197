//! Messages that are sent in fragments, one at a time.

use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, Kind};

use super::lifecycle::OutboxStage;
use super::{Closed, Inner, Outbox, wake_writer};
use crate::websocket::closing::ClosePayload;
use crate::websocket::split::stream::{Part, Stream};

/// The message that is sent in fragments. Messages of this kind are numbered from 1; none is begun before the last one is
/// written or given up, so that `written <= finished <= begun`.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    current: Option<Stream>,
    begun: u64,
    /// The last one whose last fragment was given.
    finished: u64,
    /// The last one that was written.
    written: u64,
    /// The last one that was finished will not be written.
    lost: bool,
}

impl Fragments {
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// The number of the first message of the queue that must wait for it.
    pub(super) fn before(&self) -> u64 {
        self.current.as_ref().map_or(u64::MAX, Stream::before)
    }

    /// Takes the fragments that wait, when it is their turn.
    pub(super) fn take(&mut self) -> Option<Part> {
        self.current.as_mut()?.take()
    }

    /// Records that so many fragments are written. Returns whether the message ended with them.
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

    /// Whether the message of this number is written.
    pub(super) fn is_written(&self, number: u64) -> bool {
        self.written >= number
    }

    /// Whether the message of this number will not be written.
    pub(super) fn is_lost(&self, number: u64) -> bool {
        self.lost && !self.is_written(number)
    }

    /// Drops the message unless all of it is with the writer. Returns whether it was finished.
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
    /// Begins a message that is sent in fragments, once no other one is. Gives its number.
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

    /// Whether the message that was begun may be given another fragment.
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

    /// Takes a fragment of the message that was begun.
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

    /// Ready when all fragments so far of the message of this number are with the transport.
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

    /// The message that was begun will not be finished. What was sent of it cannot be taken back: then the connection is
    /// closed with 1011.
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
        // Messages may have waited behind it.
        wake_writer(inner);
    }

    /// A message in fragments that is not finished when the connection closes cannot be any more; and if a part of it was
    /// sent, no other message can follow.
    pub(super) fn cut_fragments(&self, inner: &mut Inner) {
        match &inner.fragments.current {
            Some(stream) if stream.is_finished() => {}
            Some(stream) if stream.has_begun() => self.drop_queue(inner),
            _ => inner.fragments.current = None,
        }
    }
}
