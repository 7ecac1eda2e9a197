//! The streams of a connection of HTTP/2, counted: one on which none is open does not stay for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How many streams of a connection are open.
#[derive(Debug, Default)]
pub(crate) struct Streams(Arc<watch::Sender<usize>>);

/// One of the streams, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Stream(Arc<watch::Sender<usize>>);

impl Streams {
    /// Counts a stream in.
    pub(crate) fn enter(&self) -> Stream {
        self.0.send_modify(|open| *open += 1);
        Stream(Arc::clone(&self.0))
    }

    /// Waits until none was open for so long. Cancel safe.
    pub(crate) async fn idle_for(&self, time: Duration) {
        let mut open = self.0.subscribe();
        loop {
            let idle = *open.borrow_and_update() == 0;
            // It never fails: the sender is here.
            let changed = open.changed();
            if !idle {
                let _ = changed.await;
            } else if tokio::time::timeout(time, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
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
        tokio::join!(streams.idle_for(LIMIT), dropped_later);
        assert_eq!(begun.elapsed(), LIMIT * 4);
    }
}
