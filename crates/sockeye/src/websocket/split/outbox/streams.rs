//! Messages that are sent in fragments, one at a time.

use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, Kind};

use super::{Close, Closed, Inside, Outbox, Stage};
use crate::websocket::split::stream::Stream;

impl Outbox {
    /// Begins a message that is sent in fragments, once no other one is. Gives its number.
    pub(in crate::websocket::split) async fn begin_stream(
        &self,
        kind: Kind,
    ) -> Result<u64, Closed> {
        self.turn.acquire().await.map_err(|_| Closed)?.forget();
        let mut inside = self.lock();
        if inside.stage != Stage::Open {
            return Err(Closed);
        }
        inside.stream = Some(Stream::new(kind));
        inside.streams += 1;
        Ok(inside.streams)
    }

    /// Whether the message that was begun may be given another fragment.
    pub(in crate::websocket::split) fn poll_stream_room(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        let mut inside = self.lock();
        match (inside.stage, &mut inside.stream) {
            (Stage::Open, Some(stream)) if stream.has_room() => Poll::Ready(Ok(())),
            (Stage::Open, Some(stream)) => {
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
        let inside = &mut *guard;
        let (Stage::Open, Some(stream)) = (inside.stage, &mut inside.stream) else {
            return Err(Closed);
        };
        stream.push(fragment, last, inside.queue.next_number());
        inside.accepted += u64::from(last);
        self.tell_writer(guard);
        Ok(())
    }

    /// Ready when all fragments so far of the message of this number are with the transport.
    pub(in crate::websocket::split) fn poll_stream_written(
        &self,
        cx: &Context<'_>,
        number: u64,
    ) -> Poll<Result<(), Closed>> {
        let mut inside = self.lock();
        if inside.streams_written >= number {
            return Poll::Ready(Ok(()));
        }
        match &mut inside.stream {
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
        let mut inside = self.lock();
        if inside.stage != Stage::Open {
            return;
        }
        if inside.stream.as_ref().is_some_and(Stream::has_begun) {
            let reason = "a message was not finished".into();
            inside.close = Close::Asked(CloseFrame { code: CloseCode::INTERNAL_ERROR, reason });
            self.begin_closing(&mut inside);
            self.tell_writer(inside);
        } else {
            inside.stream = None;
            self.turn.add_permits(1);
            // Messages may have waited behind it.
            self.tell_writer(inside);
        }
    }

    /// A message in fragments that is not finished when the connection closes cannot be any more; and if a part of it was
    /// sent, no other message can follow.
    pub(super) fn cut_stream(&self, inside: &mut Inside) {
        match &inside.stream {
            Some(stream) if stream.is_finished() => {}
            Some(stream) if stream.has_begun() => self.drop_queue(inside),
            _ => inside.stream = None,
        }
    }
}
