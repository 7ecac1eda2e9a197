use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sockeye::Error;

use super::behaviour::Behaviour;
use super::session_error::SessionError;

/// Maximum number of different error messages that are printed for each behaviour. Chosen.
const MAX_MESSAGES: usize = 4;

/// The driver's counts, by behaviour.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: [Row; 18],
    /// Echoes of [`Class::Echo`](crate::Class::Echo) that arrived and were correct.
    pub(super) verified: AtomicU64,
}

/// Counts of the sessions of one behaviour.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) started: AtomicU64,
    /// Sessions that ended as expected.
    pub(super) completed: AtomicU64,
    /// Sessions that a drain ended early.
    pub(super) drained: AtomicU64,
    /// Number of these whose behaviour is honest and that got no close frame.
    pub(super) no_close_frame: AtomicU64,
    /// Sessions of connections unknown to the server.
    pub(super) unknown: AtomicU64,
    /// Sessions that ended otherwise.
    pub(super) failed: AtomicU64,
    messages: Mutex<Vec<String>>,
}

impl Counts {
    pub(super) fn row(&self, behaviour: Behaviour) -> &Row {
        &self.rows[behaviour as usize]
    }

    pub(super) fn on_started(&self, behaviour: Behaviour) {
        self.row(behaviour).started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn on_completed(&self, behaviour: Behaviour) {
        self.row(behaviour).completed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_drained(&self, behaviour: Behaviour) {
        self.row(behaviour).drained.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a session that a drain ended: with a close frame, before its upgrade, or without a
    /// close frame.
    pub(super) fn on_drained(&self, behaviour: Behaviour, error: &SessionError) {
        self.count_drained(behaviour);
        let in_order = matches!(
            error,
            SessionError::Closed
                | SessionError::Failed(Error::Closed(_) | Error::Connect(_))
                | SessionError::NotUpgraded
        );
        if behaviour.is_honest() && !in_order {
            let row = self.row(behaviour);
            row.no_close_frame.fetch_add(1, Ordering::Relaxed);
            row.print_once(behaviour, format!("no close frame in a drain: {error}"));
        }
    }

    pub(super) fn on_failed(&self, behaviour: Behaviour, error: &SessionError) {
        let row = self.row(behaviour);
        if matches!(error, SessionError::UnknownToServer) {
            row.unknown.fetch_add(1, Ordering::Relaxed);
            row.print_once(behaviour, error.to_string());
            return;
        }
        row.failed.fetch_add(1, Ordering::Relaxed);
        row.print_once(behaviour, format!("failed: {error}"));
    }

    /// Returns the number of sessions that have begun and not ended.
    pub(super) fn active(&self) -> u64 {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended = |row: &Row| {
            read(&row.completed) + read(&row.drained) + read(&row.unknown) + read(&row.failed)
        };
        self.rows.iter().map(|row| read(&row.started).saturating_sub(ended(row))).sum()
    }

    /// Returns the number of honest sessions that a drain ended without a close frame.
    pub(super) fn no_close_frame(&self) -> u64 {
        self.rows.iter().map(|row| row.no_close_frame.load(Ordering::Relaxed)).sum()
    }

    /// Returns the number of failed sessions of all behaviours.
    pub(super) fn failed(&self) -> u64 {
        self.rows.iter().map(|row| row.failed.load(Ordering::Relaxed)).sum()
    }
}

impl Row {
    /// Prints an error message, unless it was printed before or [`MAX_MESSAGES`] were.
    fn print_once(&self, behaviour: Behaviour, message: String) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() < MAX_MESSAGES && !messages.contains(&message) {
            println!("soak: {behaviour}: {message}");
            messages.push(message);
        }
    }
}
