use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sockeye::Error;

use super::behaviour::Behaviour;

/// So many sentences about what went wrong are kept for each behaviour.
const KEPT: usize = 4;

/// What the driver counts, by behaviour.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: [Row; 18],
    /// Messages that came back and were right, of [`Class::Echo`](crate::Class::Echo).
    pub(super) verified: AtomicU64,
}

/// The sessions of one behaviour.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) begun: AtomicU64,
    /// Ended as they should.
    pub(super) done: AtomicU64,
    /// Ended by a drain, before they could.
    pub(super) cut: AtomicU64,
    /// Of these, the honest ones that saw no close frame.
    pub(super) torn: AtomicU64,
    /// Of connections that the server never knew of.
    pub(super) unknown: AtomicU64,
    pub(super) wrong: AtomicU64,
    kept: Mutex<Vec<String>>,
}

/// What should not have happened.
#[derive(Debug)]
pub(super) enum Wrong {
    /// No connection, or it broke.
    Failed(Error),
    /// The transport failed where it should not.
    Io(std::io::Error),
    /// The request was not upgraded.
    NotUpgraded,
    /// Something else came back than was sent.
    OtherEcho,
    /// The connection was closed though nothing was wrong with it.
    Closed,
    /// A close frame that should have come did not.
    NoCloseFrame,
    /// The server holds a connection beyond every deadline.
    NotLetGo,
    /// The connection is one of the client's side only: see [`has_connection`](super::reading::has_connection).
    NeverArrived,
    /// It takes too long.
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

    /// A session that a drain ended: by a close frame, before it was upgraded, or by tearing the connection.
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

    /// Sessions that have begun and not ended.
    pub(super) fn active(&self) -> u64 {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended =
            |row: &Row| read(&row.done) + read(&row.cut) + read(&row.unknown) + read(&row.wrong);
        self.rows.iter().map(|row| read(&row.begun).saturating_sub(ended(row))).sum()
    }

    /// Honest sessions that a drain tore.
    pub(super) fn torn(&self) -> u64 {
        self.rows.iter().map(|row| row.torn.load(Ordering::Relaxed)).sum()
    }

    /// Sessions that went wrong, of all behaviours.
    pub(super) fn wrong(&self) -> u64 {
        self.rows.iter().map(|row| row.wrong.load(Ordering::Relaxed)).sum()
    }
}

impl Row {
    /// Prints a sentence that is new.
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
