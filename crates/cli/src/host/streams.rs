//! Counts the streams of an HTTP/2 connection, so that a connection without open streams is closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The stream counts of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(Arc<watch::Sender<Count>>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Requests not yet answered, responses that wait for their producer, and WebSockets.
    open: usize,
    /// Responses that the client has not taken completely.
    answers: usize,
}

/// An open stream; dropping the value uncounts the stream.
#[derive(Debug)]
pub(crate) struct Stream(Streams);

/// A response in progress; dropping the value uncounts the response.
#[derive(Debug)]
pub(crate) struct ResponseGuard(Streams);

impl Streams {
    /// Counts a new stream.
    pub(crate) fn enter(&self) -> Stream {
        self.0.send_modify(|count| count.open += 1);
        Stream(self.clone())
    }

    /// Counts a new response.
    pub(crate) fn answer(&self) -> ResponseGuard {
        self.0.send_modify(|count| count.answers += 1);
        ResponseGuard(self.clone())
    }

    /// Notes that the client took a part of a response.
    pub(crate) fn progressed(&self) {
        self.0.send_modify(|_| {});
    }

    /// Waits until no stream has been open for `idle`; while there are responses, until the client
    /// has taken nothing of them for `stalled`. Cancel safe.
    pub(crate) async fn idle_for(&self, idle: Duration, stalled: Duration) {
        let mut count = self.0.subscribe();
        loop {
            let Count { open, answers } = *count.borrow_and_update();
            // Never fails: `self` is the sender.
            let changed = count.changed();
            if open > 0 {
                let _ = changed.await;
                continue;
            }
            let time = if answers > 0 { stalled } else { idle };
            if tokio::time::timeout(time, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.open -= 1);
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.answers -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_none_was_open_for_the_whole_time() {
        let streams = Streams::default();
        let begun = tokio::time::Instant::now();
        let (first, second) = (streams.enter(), streams.enter());
        drop(first);
        let dropped_later = async {
            tokio::time::sleep(LIMIT * 3).await;
            drop(second);
        };
        tokio::join!(streams.idle_for(LIMIT, LIMIT), dropped_later);
        assert_eq!(begun.elapsed(), LIMIT * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_answers_slowly_is_not_idle() {
        let (streams, stalled) = (Streams::default(), LIMIT * 3);
        let begun = tokio::time::Instant::now();
        let answer = streams.answer();
        let takes_slowly = async {
            for _ in 0..5 {
                tokio::time::sleep(LIMIT * 2).await;
                streams.progressed();
            }
        };
        tokio::join!(streams.idle_for(LIMIT, stalled), takes_slowly);
        assert_eq!(begun.elapsed(), LIMIT * 10 + stalled);
        drop(answer);
    }
}
