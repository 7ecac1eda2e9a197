use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye::Error;

use crate::Class;

/// Maximum number of failures that the server prints. Chosen.
const MAX_PRINTED_FAILURES: u64 = 20;

/// The server's counters, sent to the driver as one line of `key=value`.
#[derive(Debug, Default)]
pub struct ServerCounters {
    /// Open connections, from the handlers' point of view.
    live: AtomicU64,
    panics: AtomicU64,
    /// Number of failures that were printed.
    printed_failures: AtomicU64,
    /// Counters by [`Class`].
    classes: [ClassCounters; Class::ALL.len()],
}

/// The counters of a class of connections.
#[derive(Debug, Default)]
pub(crate) struct ClassCounters {
    pub(crate) opened: AtomicU64,
    /// Messages from peers.
    pub(crate) received: AtomicU64,
    /// Messages that were passed to the library.
    pub(crate) accepted: AtomicU64,
    /// Messages that were handed to the transport.
    pub(crate) sent: AtomicU64,
    /// Messages that were dropped because a queue was full.
    pub(crate) full: AtomicU64,
    /// Messages of a queue that were replaced by newer ones.
    pub(crate) replaced: AtomicU64,
    /// Messages that were unsent when their connection ended.
    pub(crate) unsent: AtomicU64,
    /// Connections that ended by a closing handshake.
    pub(crate) closed: AtomicU64,
    /// Connections that ended otherwise.
    pub(crate) broken: AtomicU64,
}

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Adds `number` to a counter.
pub(crate) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl ServerCounters {
    pub(crate) fn class(&self, class: Class) -> &ClassCounters {
        &self.classes[class as usize]
    }

    /// Counts a connection as open until the returned guard is dropped.
    pub(crate) fn open(self: &Arc<Self>, class: Class) -> LiveGuard {
        count(&self.class(class).opened);
        count(&self.live);
        LiveGuard { server: self.clone(), class, closed: false }
    }

    /// Counts a panic of a task or callback.
    pub(crate) fn on_panic(&self) {
        count(&self.panics);
    }

    /// Handles a failed connection. Prints the first failures of clients that follow the protocol
    /// to standard error.
    pub(crate) fn on_failed(&self, class: Class, error: &Error) {
        // A handler that answers while the server stops cannot send any more.
        let is_shutdown = matches!(error, Error::Closed(_));
        if class == Class::Echo
            && !is_shutdown
            && self.printed_failures.fetch_add(1, Ordering::Relaxed) < MAX_PRINTED_FAILURES
        {
            eprintln!("server: {} failed: {error:?}", class.path());
        }
    }

    /// Returns the counters and the number of tasks as one line.
    pub(crate) fn line(&self, tasks: usize) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut line =
            format!("live={} tasks={tasks} panics={}", read(&self.live), read(&self.panics));
        for class in Class::ALL {
            let name = &class.path()[1..];
            let ClassCounters {
                opened,
                received,
                accepted,
                sent,
                full,
                replaced,
                unsent,
                closed,
                broken,
            } = self.class(class);
            for (key, counter) in [
                ("opened", opened),
                ("received", received),
                ("accepted", accepted),
                ("sent", sent),
                ("full", full),
                ("replaced", replaced),
                ("unsent", unsent),
                ("closed", closed),
                ("broken", broken),
            ] {
                // Writing to a string never fails.
                let _ = write!(line, " {name}.{key}={}", read(counter));
            }
        }
        line
    }
}

/// A guard of an open connection.
#[derive(Debug)]
pub(crate) struct LiveGuard {
    server: Arc<ServerCounters>,
    class: Class,
    /// Set when the connection ended by a closing handshake.
    pub(crate) closed: bool,
}

impl LiveGuard {
    pub(crate) fn counters(&self) -> &ClassCounters {
        self.server.class(self.class)
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }
}

impl Drop for LiveGuard {
    fn drop(&mut self) {
        let counters = self.counters();
        count(if self.closed { &counters.closed } else { &counters.broken });
        self.server.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The values of [`ServerCounters`], parsed from their line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    values: BTreeMap<String, u64>,
}

impl Stats {
    /// Parses a line; ignores words that are not `key=value`.
    pub fn parse(line: &str) -> Self {
        let pair = |word: &str| {
            let (key, value) = word.split_once('=')?;
            Some((key.to_owned(), value.parse().ok()?))
        };
        Self { values: line.split_whitespace().filter_map(pair).collect() }
    }

    /// Returns a value; 0 if the line does not have it.
    pub fn value(&self, key: &str) -> u64 {
        self.values.get(key).copied().unwrap_or_default()
    }

    /// Returns a value of a class.
    pub fn of(&self, class: Class, key: &str) -> u64 {
        self.value(&format!("{}.{key}", &class.path()[1..]))
    }

    /// Returns the sum of a value over all classes.
    pub fn total(&self, key: &str) -> u64 {
        Class::ALL.into_iter().map(|class| self.of(class, key)).sum()
    }

    /// Returns the number of dropped messages, for all reasons.
    pub fn dropped(&self, class: Class) -> u64 {
        ["full", "replaced", "unsent"].into_iter().map(|key| self.of(class, key)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_all_counts() {
        let server = Arc::new(ServerCounters::default());
        let live = server.open(Class::Feed);
        add(&live.counters().sent, 3);
        count(&live.counters().replaced);
        let stats = Stats::parse(&server.line(7));
        assert_eq!((stats.value("live"), stats.value("tasks")), (1, 7));
        assert_eq!((stats.of(Class::Feed, "sent"), stats.dropped(Class::Feed)), (3, 1));
        drop(live);
        let stats = Stats::parse(&server.line(0));
        assert_eq!((stats.value("live"), stats.total("broken")), (0, 1));
        assert_eq!(stats.total("closed"), 0);
    }
}
