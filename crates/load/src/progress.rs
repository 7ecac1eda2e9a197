//! Reports of a run in progress.

use std::fmt;
use std::time::{Duration, Instant};

use crate::latency::Latency;

/// Phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Connections are being opened.
    Opening,
    /// Messages are exchanged and not counted.
    WarmUp,
    /// Messages are counted.
    Counted,
}

/// State of a run in progress: see [`Load::run_with_progress`](crate::Load::run_with_progress).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RunProgress<'a> {
    /// The phase.
    pub phase: RunPhase,
    /// Connections that are open.
    pub connections: usize,
    /// Time since the phase began.
    pub elapsed: Duration,
    /// Messages that came back whole in this phase, or were delivered in fan-out.
    pub messages: u64,
    /// Latency of these messages; `None` where it is not measured.
    pub latency: Option<&'a Latency>,
}

/// Calls the callback of a run at intervals.
pub(crate) struct ProgressReporter<'a> {
    interval: Duration,
    /// Time of the next call; `None` if it is beyond the range of the clock.
    next: Option<Instant>,
    begin: Instant,
    callback: Option<&'a mut dyn FnMut(&RunProgress<'_>)>,
}

impl<'a> ProgressReporter<'a> {
    /// Creates a reporter that calls nothing.
    pub(crate) fn none() -> Self {
        Self { interval: Duration::MAX, next: None, begin: Instant::now(), callback: None }
    }

    pub(crate) fn new(interval: Duration, callback: &'a mut dyn FnMut(&RunProgress<'_>)) -> Self {
        let begin = Instant::now();
        Self { interval, next: Some(begin), begin, callback: Some(callback) }
    }

    /// Calls the callback with `progress` if the interval has passed at `now`.
    pub(crate) fn update<'p>(&mut self, now: Instant, progress: impl FnOnce() -> RunProgress<'p>) {
        if let Some(callback) = &mut self.callback {
            if self.next.is_some_and(|next| now >= next) {
                callback(&progress());
                self.next = now.checked_add(self.interval);
            }
        }
    }

    /// Reports that `connections` connections are open, while more are opened.
    pub(crate) fn update_opening(&mut self, connections: usize) {
        if self.callback.is_some() {
            let now = Instant::now();
            let elapsed = now - self.begin;
            self.update(now, || RunProgress {
                phase: RunPhase::Opening,
                connections,
                elapsed,
                messages: 0,
                latency: None,
            });
        }
    }
}

impl fmt::Debug for ProgressReporter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressReporter").field("interval", &self.interval).finish_non_exhaustive()
    }
}
