//! The history of a room: a log of its last publications, and the proof that a reader who was at a
//! position gets all publications after it.
//!
//! A position is *proven* by a page of a log if their epochs are equal and one of these holds:
//!
//! - (a) the position is the top of the log, with the same tag;
//! - (b) the entry at its offset is retained, with the same tag;
//! - (c) the entry after it is retained, and names the position's tag as its previous one;
//! - (d) its offset is 0 and the first retained entry has no predecessor, which is (c) for the
//!   position before the first publication.
//!
//! Everything else is a gap with a [reason](GapReason), and nothing is handed out: a recovery is
//! complete or it is none. [`Page::after`] is the one place that decides this, for every store.
//!
//! A store that does not tell predecessors has (a) and (b) only, and retains one entry more than it
//! promises. Every store remembers the top of a room, or the room's last entry, for longer than
//! positions are presented, also when the history is removed; what it forgets gets a new epoch.

mod entry;
mod gap;
mod id_window;
mod log;
mod page;
mod range;
mod retention;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Previous};
pub use gap::{Gap, GapReason};
pub use id_window::ID_WINDOW;
pub use log::{Appended, Log, Recovery};
pub use page::Page;
pub use range::{Direction, Limit, Range};
pub use retention::Retention;
