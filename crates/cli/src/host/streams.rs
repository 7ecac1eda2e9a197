//! Counts the streams of an HTTP/2 connection, so that a connection without open streams is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The stream counts of a connection.
///
/// Each request changes the counts several times, so a change wakes no task: the task that waits
/// looks at the counts when the timeout of an earlier look has passed.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Arc<StreamCounts>);

#[derive(Debug)]
struct StreamCounts {
    /// Requests not yet answered, responses that wait for their source, and WebSockets.
    open: AtomicUsize,
    /// Responses that the client has not taken completely.
    responses: AtomicUsize,
    begun: Instant,
    /// The time of the last change, in nanoseconds since `begun`.
    changed: AtomicU64,
    /// Set while a task waits for the last open stream to close.
    is_awaited: AtomicBool,
    closed: Notify,
}

/// An open stream; dropping the value uncounts the stream.
#[derive(Debug)]
pub(crate) struct StreamGuard(Streams);

/// A response in progress; dropping the value uncounts the response.
#[derive(Debug)]
pub(crate) struct ResponseGuard(Streams);

impl Streams {
    /// Counts a new stream.
    pub(crate) fn open(&self) -> StreamGuard {
        self.0.open.fetch_add(1, Ordering::SeqCst);
        StreamGuard(self.clone())
    }

    /// Counts a new response.
    pub(crate) fn begin_response(&self) -> ResponseGuard {
        self.0.responses.fetch_add(1, Ordering::SeqCst);
        self.record_progress();
        ResponseGuard(self.clone())
    }

    /// Records that the client took a part of a response.
    pub(crate) fn record_progress(&self) {
        let elapsed = self.0.begun.elapsed().as_nanos();
        // 584 years fit.
        self.0.changed.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Waits until no stream has been open for `idle_timeout`; while there are responses, until the
    /// client has taken nothing of them for `stall_timeout`. Cancel safe.
    pub(crate) async fn wait_until_idle(&self, idle_timeout: Duration, stall_timeout: Duration) {
        let counts = &*self.0;
        let mut since = Instant::now();
        loop {
            self.wait_until_closed().await;
            since = since
                .max(counts.begun + Duration::from_nanos(counts.changed.load(Ordering::SeqCst)));
            let has_responses = counts.responses.load(Ordering::SeqCst) > 0;
            let end = since + if has_responses { stall_timeout } else { idle_timeout };
            let now = Instant::now();
            if end <= now {
                return;
            }
            // Meanwhile responses may end or begin, which changes the timeout that counts.
            sleep_until(end.min(now + idle_timeout.min(stall_timeout))).await;
        }
    }

    /// Waits until no stream is open.
    async fn wait_until_closed(&self) {
        let counts = &*self.0;
        while counts.open.load(Ordering::SeqCst) > 0 {
            counts.is_awaited.store(true, Ordering::SeqCst);
            // A stream that closes from here on sees the flag.
            if counts.open.load(Ordering::SeqCst) > 0 {
                counts.closed.notified().await;
            }
            counts.is_awaited.store(false, Ordering::SeqCst);
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(StreamCounts {
            open: AtomicUsize::new(0),
            responses: AtomicUsize::new(0),
            begun: Instant::now(),
            changed: AtomicU64::new(0),
            is_awaited: AtomicBool::new(false),
            closed: Notify::new(),
        }))
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let streams = &self.0;
        // The time of the change is there before the count tells that no stream is open.
        streams.record_progress();
        let is_last = streams.0.open.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && streams.0.is_awaited.load(Ordering::SeqCst) {
            streams.0.closed.notify_one();
        }
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.record_progress();
        self.0.0.responses.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_once_no_stream_was_open_for_the_timeout() {
        let streams = Streams::default();
        let begun = Instant::now();
        let (first, second) = (streams.open(), streams.open());
        drop(first);
        let dropped_later = async {
            tokio::time::sleep(LIMIT * 3).await;
            drop(second);
        };
        tokio::join!(streams.wait_until_idle(LIMIT, LIMIT), dropped_later);
        assert_eq!(begun.elapsed(), LIMIT * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_responses_slowly_is_not_idle() {
        let (streams, stall_timeout) = (Streams::default(), LIMIT * 3);
        let begun = Instant::now();
        let response = streams.begin_response();
        let slow_reader = async {
            for _ in 0..5 {
                tokio::time::sleep(LIMIT * 2).await;
                streams.record_progress();
            }
        };
        tokio::join!(streams.wait_until_idle(LIMIT, stall_timeout), slow_reader);
        assert_eq!(begun.elapsed(), LIMIT * 10 + stall_timeout);
        drop(response);
    }
}
