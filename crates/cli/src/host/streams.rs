//! Counts the streams of an HTTP/2 connection, so that a connection without open streams is closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The stream counts of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(Arc<watch::Sender<StreamCounts>>);

#[derive(Clone, Copy, Debug, Default)]
struct StreamCounts {
    /// Requests not yet answered, responses that wait for their source, and WebSockets.
    open: usize,
    /// Responses that the client has not taken completely.
    responses: usize,
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
        self.0.send_modify(|count| count.open += 1);
        StreamGuard(self.clone())
    }

    /// Counts a new response.
    pub(crate) fn begin_response(&self) -> ResponseGuard {
        self.0.send_modify(|count| count.responses += 1);
        ResponseGuard(self.clone())
    }

    /// Records that the client took a part of a response.
    pub(crate) fn record_progress(&self) {
        self.0.send_modify(|_| {});
    }

    /// Waits until no stream has been open for `idle_timeout`; while there are responses, until the
    /// client has taken nothing of them for `stall_timeout`. Cancel safe.
    pub(crate) async fn wait_until_idle(&self, idle_timeout: Duration, stall_timeout: Duration) {
        let mut count = self.0.subscribe();
        loop {
            let StreamCounts { open, responses } = *count.borrow_and_update();
            // Never fails: `self` is the sender.
            let changed = count.changed();
            if open > 0 {
                let _ = changed.await;
                continue;
            }
            let time = if responses > 0 { stall_timeout } else { idle_timeout };
            if tokio::time::timeout(time, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.open -= 1);
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.responses -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_once_no_stream_was_open_for_the_timeout() {
        let streams = Streams::default();
        let begun = tokio::time::Instant::now();
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
        let begun = tokio::time::Instant::now();
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
