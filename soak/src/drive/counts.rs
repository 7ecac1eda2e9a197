use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sockeye::Error;

use super::behaviour::Behaviour;
use super::session_error::SessionError;

/// Number of error messages that are kept for each behaviour.
const KEPT: usize = 4;

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
    pub(super) begun: AtomicU64,
    /// Sessions that ended as expected.
    pub(super) done: AtomicU64,
    /// Sessions that a drain ended early.
    pub(super) cut: AtomicU64,
    /// Honest sessions among those that got no close frame.
    pub(super) torn: AtomicU64,
    /// Sessions of connections unknown to the server.
    pub(super) unknown: AtomicU64,
    pub(super) wrong: AtomicU64,
    kept: Mutex<Vec<String>>,
}

impl Counts {
    pub(super) fn row(&self, behaviour: Behaviour) -> &Row {
        &self.rows[behaviour as usize]
    }

    pub(super) fn begin(&self, behaviour: Behaviour) {
        self.row(behaviour).begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn done(&self, behaviour: Behaviour) {
        self.row(behaviour).done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cut(&self, behaviour: Behaviour) {
        self.row(behaviour).cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a session that a drain ended: by a close frame, before its upgrade, or by breaking
    /// the connection.
    pub(super) fn drained(&self, behaviour: Behaviour, how: &SessionError) {
        self.cut(behaviour);
        let in_order = matches!(
            how,
            SessionError::Closed
                | SessionError::Failed(Error::Closed(_) | Error::Connect(_))
                | SessionError::NotUpgraded
        );
        if behaviour.is_honest() && !in_order {
            let row = self.row(behaviour);
            row.torn.fetch_add(1, Ordering::Relaxed);
            row.keep(behaviour, format!("torn by a drain: {how}"));
        }
    }

    pub(super) fn went_wrong(&self, behaviour: Behaviour, wrong: &SessionError) {
        let row = self.row(behaviour);
        if matches!(wrong, SessionError::NeverArrived) {
            row.unknown.fetch_add(1, Ordering::Relaxed);
            row.keep(behaviour, wrong.to_string());
            return;
        }
        row.wrong.fetch_add(1, Ordering::Relaxed);
        row.keep(behaviour, format!("wrong: {wrong}"));
    }

    /// Returns the number of sessions that have begun and not ended.
    pub(super) fn active(&self) -> u64 {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended =
            |row: &Row| read(&row.done) + read(&row.cut) + read(&row.unknown) + read(&row.wrong);
        self.rows.iter().map(|row| read(&row.begun).saturating_sub(ended(row))).sum()
    }

    /// Returns the number of honest sessions whose connection a drain broke.
    pub(super) fn torn(&self) -> u64 {
        self.rows.iter().map(|row| row.torn.load(Ordering::Relaxed)).sum()
    }

    /// Returns the number of failed sessions of all behaviours.
    pub(super) fn wrong(&self) -> u64 {
        self.rows.iter().map(|row| row.wrong.load(Ordering::Relaxed)).sum()
    }
}

impl Row {
    /// Prints an error message that is new, and keeps it.
    fn keep(&self, behaviour: Behaviour, sentence: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && !kept.contains(&sentence) {
            println!("soak: {behaviour}: {sentence}");
            kept.push(sentence);
        }
    }
}
