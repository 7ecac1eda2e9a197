//! Counts of calls and messages.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio_stream::Stream;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    in_progress: AtomicI64,
    sent_bytes: AtomicU64,
    sent_messages: AtomicU64,
}

impl Counts {
    pub(crate) fn begin(self: &Arc<Self>) -> CallGuard {
        self.in_progress.fetch_add(1, Ordering::SeqCst);
        CallGuard { counts: Arc::clone(self) }
    }

    pub(crate) fn count_sent(&self, length: usize) {
        self.sent_bytes.fetch_add(length as u64, Ordering::SeqCst);
        self.sent_messages.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn in_progress(&self) -> i64 {
        self.in_progress.load(Ordering::SeqCst)
    }

    pub(crate) fn sent_messages(&self) -> u64 {
        self.sent_messages.load(Ordering::SeqCst)
    }

    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::SeqCst)
    }
}

/// A guard of a call in progress; dropping it counts the call as ended.
#[derive(Debug)]
pub(crate) struct CallGuard {
    counts: Arc<Counts>,
}

impl CallGuard {
    /// Attaches the guard to the stream of responses, so that the call lasts as long as the stream.
    pub(crate) fn with<S>(self, stream: S) -> Counted<S> {
        Counted { stream: Box::pin(stream), _guard: self }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.counts.in_progress.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream of responses that counts as a call.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: Pin<Box<S>>,
    _guard: CallGuard,
}

impl<S: Stream> Stream for Counted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}
