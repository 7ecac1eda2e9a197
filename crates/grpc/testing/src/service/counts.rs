//! Counts of calls and messages.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio_stream::Stream;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    under_way: AtomicI64,
    poured: AtomicU64,
    messages: AtomicU64,
}

impl Counts {
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay { counts: Arc::clone(self) }
    }

    pub(crate) fn pour(&self, length: usize) {
        self.poured.fetch_add(length as u64, Ordering::SeqCst);
        self.messages.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn under_way(&self) -> i64 {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::SeqCst)
    }

    pub(crate) fn poured(&self) -> u64 {
        self.poured.load(Ordering::SeqCst)
    }
}

/// A guard of a call in progress; dropping it counts the call as ended.
#[derive(Debug)]
pub(crate) struct UnderWay {
    counts: Arc<Counts>,
}

impl UnderWay {
    /// Attaches the guard to the stream of responses, so that the call lasts as long as the stream.
    pub(crate) fn with<S>(self, stream: S) -> Counted<S> {
        Counted { stream: Box::pin(stream), _under_way: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.counts.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream of responses that counts as a call.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: Pin<Box<S>>,
    _under_way: UnderWay,
}

impl<S: Stream> Stream for Counted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}
