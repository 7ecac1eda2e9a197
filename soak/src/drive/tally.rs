use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sockeye::Error;

use super::behaviour::Behaviour;

/// Number of error messages that are kept for each behaviour.
const KEPT: usize = 4;

/// The driver's counts, by behaviour.
#[derive(Debug, Default)]
pub(super) struct Tally {
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

/// An error of a session.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Connecting failed, or the connection did.
    Failed(Error),
    /// The transport failed unexpectedly.
    Io(std::io::Error),
    /// The request was not upgraded.
    NotUpgraded,
    /// The echo differs from the message.
    OtherEcho,
    /// The connection was closed without a reason.
    Closed,
    /// An expected close frame did not arrive.
    NoCloseFrame,
    /// The server keeps a connection beyond every timeout.
    NotLetGo,
    /// Only the client's side has the connection: see
    /// [`has_connection`](super::reading::has_connection).
    NeverArrived,
    /// The session exceeded its timeout.
    Stuck,
}

impl Tally {
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
    pub(super) fn drained(&self, behaviour: Behaviour, how: &Wrong) {
        self.cut(behaviour);
        let in_order = matches!(
            how,
            Wrong::Closed
                | Wrong::Failed(Error::Closed(_) | Error::Connect(_))
                | Wrong::NotUpgraded
        );
        if behaviour.is_honest() && !in_order {
            let row = self.row(behaviour);
            row.torn.fetch_add(1, Ordering::Relaxed);
            row.keep(behaviour, format!("torn by a drain: {how}"));
        }
    }

    pub(super) fn went_wrong(&self, behaviour: Behaviour, wrong: &Wrong) {
        let row = self.row(behaviour);
        if matches!(wrong, Wrong::NeverArrived) {
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

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the connection failed: {error:?}"),
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::NotUpgraded => f.write_str("the request was not upgraded"),
            Self::OtherEcho => f.write_str("something else came back than was sent"),
            Self::Closed => f.write_str("closed without a reason"),
            Self::NoCloseFrame => f.write_str("no close frame, or one with another code"),
            Self::NotLetGo => f.write_str("not let go by any deadline"),
            Self::NeverArrived => f.write_str("the server never knew of the connection"),
            Self::Stuck => f.write_str("takes too long"),
        }
    }
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
