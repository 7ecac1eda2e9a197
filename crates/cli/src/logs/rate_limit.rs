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

/// Maximum number of events that one callsite logs per [`WINDOW`]. Chosen: enough to see several
/// peers.
const BURST: u64 = 10;

/// Time after which the number of suppressed events is reported, and the callsite may log again.
/// Chosen: a flood adds about one event a second per callsite, and is still reported while an
/// operator watches.
const WINDOW: Duration = Duration::from_secs(10);

/// A filter that passes at most [`BURST`] warnings and errors of a callsite per [`WINDOW`], and
/// then reports how many it suppressed. Lower levels, which the user asked for, pass unlimited.
pub(super) struct RateLimit {
    counts: Arc<CallsiteCounts>,
}

#[derive(Default)]
struct CallsiteCounts {
    callsites: Mutex<HashMap<Identifier, CallsiteCount>>,
    suppressed: Condvar,
}

struct CallsiteCount {
    window_start: Instant,
    events: u64,
    /// The message of the first suppressed event.
    message: String,
}

impl RateLimit {
    /// Starts the thread that reports suppressed events.
    ///
    /// # Errors
    /// When the system cannot create a thread.
    pub(super) fn start() -> anyhow::Result<Self> {
        let counts = Arc::new(CallsiteCounts::default());
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
        // This module's own events are bounded: at most one per callsite and window.
        if *metadata.level() > Level::WARN || metadata.target() == module_path!() {
            return true;
        }
        self.counts.should_log(metadata.callsite(), Instant::now(), || message(event))
    }
}

impl CallsiteCounts {
    /// Counts an event of a callsite. Returns whether to log it.
    fn should_log(
        &self,
        callsite: Identifier,
        now: Instant,
        message: impl FnOnce() -> String,
    ) -> bool {
        let mut callsites = self.lock();
        let new = || CallsiteCount { window_start: now, events: 0, message: String::new() };
        let count = callsites.entry(callsite).or_insert_with(new);
        if count.events <= BURST && now.saturating_duration_since(count.window_start) >= WINDOW {
            *count = new();
        }
        count.events += 1;
        if count.events == BURST + 1 {
            count.message = message();
            self.suppressed.notify_one();
        }
        count.events <= BURST
    }

    /// Removes the callsites whose window is over. Returns the number of suppressed events and the
    /// first suppressed message of each callsite that exceeded [`BURST`].
    fn take_due(&self, now: Instant) -> Vec<(u64, String)> {
        let mut due = Vec::new();
        self.lock().retain(|_, count| {
            let is_over = now.saturating_duration_since(count.window_start) >= WINDOW;
            if is_over && count.events > BURST {
                due.push((count.events - BURST, std::mem::take(&mut count.message)));
            }
            !is_over
        });
        due
    }

    /// Reports suppressed events, for as long as the program runs.
    fn report_suppressed(&self) {
        loop {
            let is_none_suppressed = |callsites: &mut HashMap<_, CallsiteCount>| {
                callsites.values().all(|count| count.events <= BURST)
            };
            drop(self.suppressed.wait_while(self.lock(), is_none_suppressed));
            thread::sleep(WINDOW / 4);
            for (events, message) in self.take_due(Instant::now()) {
                tracing::warn!("suppressed {events} more within {WINDOW:?}: {message}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, CallsiteCount>> {
        self.callsites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the message of an event, without its other fields.
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

    fn callsite() -> Identifier {
        static META: tracing::Metadata<'static> = tracing::metadata! {
            name: "event",
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
    fn a_repeated_event_is_counted_and_logged_again_later() {
        let counts = CallsiteCounts::default();
        let begin = Instant::now();
        let passed =
            (0..1000).filter(|_| counts.should_log(callsite(), begin, || "flood".to_owned()));
        assert_eq!(passed.count() as u64, BURST);
        assert_eq!(counts.take_due(begin + WINDOW / 2), []);
        assert_eq!(counts.take_due(begin + WINDOW), [(1000 - BURST, "flood".to_owned())]);
        assert!(counts.should_log(callsite(), begin + WINDOW, || unreachable!()));
    }

    #[test]
    fn an_infrequent_event_is_always_logged() {
        let counts = CallsiteCounts::default();
        let begin = Instant::now();
        for time in 0..100 {
            assert!(counts.should_log(callsite(), begin + time * WINDOW / 5, || unreachable!()));
        }
    }
}
