//! Rate limit of repeated warnings: a peer must not be able to fill the log.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Number of times that a line of the program or of a library is logged in each [`WINDOW`]: enough
/// to see several peers.
const BURST: u64 = 10;

/// Time after which the number of suppressed lines is logged, and lines are logged again.
const WINDOW: Duration = Duration::from_secs(10);

/// A filter that passes each warning or error a few times per [`WINDOW`], and then reports how
/// often it was suppressed. Lower levels, which the user asked for, pass unlimited.
pub(super) struct RateLimit {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    lines: Mutex<HashMap<Identifier, Count>>,
    suppressed: Condvar,
}

struct Count {
    window_start: Instant,
    times: u64,
    /// The message of the first suppressed line.
    message: String,
}

impl RateLimit {
    /// Starts the thread that reports suppressed lines.
    ///
    /// # Errors
    /// When the system cannot create a thread.
    pub(super) fn start() -> anyhow::Result<Self> {
        let counts = Arc::new(Counts::default());
        let reporter = Arc::clone(&counts);
        thread::Builder::new()
            .name("sockeye-log".to_owned())
            .spawn(move || reporter.report_suppressed())
            .context("cannot start the thread of the log")?;
        Ok(Self { counts })
    }
}

impl<S: Subscriber> Layer<S> for RateLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // The number of different lines bounds this module's own output.
        if *metadata.level() > Level::WARN || metadata.target() == module_path!() {
            return true;
        }
        self.counts.should_log(metadata.callsite(), Instant::now(), || message(event))
    }
}

impl Counts {
    /// Counts a line. Returns whether to log it.
    fn should_log(&self, line: Identifier, now: Instant, message: impl FnOnce() -> String) -> bool {
        let mut lines = self.lock();
        let new = || Count { window_start: now, times: 0, message: String::new() };
        let count = lines.entry(line).or_insert_with(new);
        if count.times <= BURST && now.saturating_duration_since(count.window_start) >= WINDOW {
            *count = new();
        }
        count.times += 1;
        if count.times == BURST + 1 {
            count.message = message();
            self.suppressed.notify_one();
        }
        count.times <= BURST
    }

    /// Removes the lines whose window is over, and returns the number and message of those that
    /// were suppressed.
    fn take_due(&self, now: Instant) -> Vec<(u64, String)> {
        let mut due = Vec::new();
        self.lock().retain(|_, count| {
            let is_over = now.saturating_duration_since(count.window_start) >= WINDOW;
            if is_over && count.times > BURST {
                due.push((count.times - BURST, std::mem::take(&mut count.message)));
            }
            !is_over
        });
        due
    }

    /// Reports suppressed lines, for as long as the program runs.
    fn report_suppressed(&self) {
        loop {
            let is_none_suppressed =
                |lines: &mut HashMap<_, Count>| lines.values().all(|count| count.times <= BURST);
            drop(self.suppressed.wait_while(self.lock(), is_none_suppressed));
            thread::sleep(WINDOW / 4);
            for (times, message) in self.take_due(Instant::now()) {
                tracing::warn!("{times} more in {WINDOW:?}: {message}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, Count>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the message of a line, without its other fields.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

#[cfg(test)]
mod tests {
    use tracing::Callsite as _;
    use tracing::callsite::DefaultCallsite;

    use super::*;

    fn line() -> Identifier {
        static META: tracing::Metadata<'static> = tracing::metadata! {
            name: "line",
            target: "test",
            level: Level::WARN,
            fields: &[],
            callsite: &CALLSITE,
            kind: tracing::metadata::Kind::EVENT,
        };
        static CALLSITE: DefaultCallsite = DefaultCallsite::new(&META);
        CALLSITE.metadata().callsite()
    }

    #[test]
    fn a_line_that_repeats_is_counted_and_logged_again_later() {
        let counts = Counts::default();
        let begin = Instant::now();
        let passed = (0..1000).filter(|_| counts.should_log(line(), begin, || "flood".to_owned()));
        assert_eq!(passed.count() as u64, BURST);
        assert_eq!(counts.take_due(begin + WINDOW / 2), []);
        assert_eq!(counts.take_due(begin + WINDOW), [(1000 - BURST, "flood".to_owned())]);
        assert!(counts.should_log(line(), begin + WINDOW, || unreachable!()));
    }

    #[test]
    fn a_line_that_comes_now_and_then_is_always_logged() {
        let counts = Counts::default();
        let begin = Instant::now();
        for time in 0..100 {
            assert!(counts.should_log(line(), begin + time * WINDOW / 5, || unreachable!()));
        }
    }
}
