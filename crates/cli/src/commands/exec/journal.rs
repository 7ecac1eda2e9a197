//! The latest output of a process, bounded, for several readers at their own pace.
//!
//! ```text
//!  process ──► push ──► [ piece | piece | piece ] ──► reader, position 3
//!                 ▲                          └──────► reader, position 1
//!                 └── waits while the foremost reader is a window behind
//! ```
//!
//! The foremost reader sets the pace of the process, and a reader that falls behind the oldest
//! piece is told so. Without readers the output goes on, and only the latest is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sockeye::Message;
use sockeye::bytes::Bytes;
use tokio::sync::watch;

use super::exit::Exit;

/// A piece of output.
pub(super) trait Piece: Clone {
    /// Returns the distance between the positions before and after the piece; at least 1.
    fn extent(&self) -> u64;
}

impl Piece for Bytes {
    /// Positions are offsets in bytes. No piece is empty.
    fn extent(&self) -> u64 {
        self.len() as u64
    }
}

impl Piece for Message {
    /// The length, and about the size of a message in memory.
    fn extent(&self) -> u64 {
        self.len() as u64 + 64
    }
}

/// The output of a process.
#[derive(Debug)]
pub(super) struct Journal<P> {
    state: watch::Sender<State<P>>,
    /// Maximum extent of the kept pieces, unless a single one is longer.
    capacity: u64,
    /// Maximum lead of the output over its foremost reader.
    window: u64,
}

#[derive(Debug)]
struct State<P> {
    /// Each with the position before it.
    pieces: VecDeque<(u64, P)>,
    end: u64,
    /// The consumed positions of the readers.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    exit: Option<Exit>,
}

/// A reader of a journal.
#[derive(Debug)]
pub(super) struct Reader<P> {
    journal: Arc<Journal<P>>,
    id: u64,
    /// The position of the next piece.
    next: u64,
    changes: watch::Receiver<State<P>>,
}

/// The next output for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<P> {
    Pieces(Vec<P>),
    /// The next pieces are no longer kept.
    Lagged,
    /// The process has ended, and all its output was read.
    Ended(Exit),
}

impl<P: Piece> Journal<P> {
    pub(super) fn new(capacity: u64, window: u64) -> Arc<Self> {
        let state = State {
            pieces: VecDeque::new(),
            end: 0,
            readers: BTreeMap::new(),
            next_reader: 0,
            exit: None,
        };
        Arc::new(Self { state: watch::Sender::new(state), capacity, window })
    }

    /// Appends a piece, in place of the oldest ones if need be.
    pub(super) fn push(&self, piece: P) {
        self.state.send_modify(|state| {
            let start = state.end;
            state.end += piece.extent();
            state.pieces.push_back((start, piece));
            while state.pieces.len() > 1 && state.end - state.start() > self.capacity {
                state.pieces.pop_front();
            }
        });
    }

    /// Waits until the foremost reader is less than a window behind, or there is none. Cancel safe.
    pub(super) async fn wait_for_room(&self) {
        let has_room = |state: &State<P>| match state.readers.values().max() {
            Some(foremost) => state.end - foremost < self.window,
            None => true,
        };
        // Never fails: `self` has the sender.
        let _ = self.state.subscribe().wait_for(has_room).await;
    }

    /// Records the end of the process, after its last output.
    pub(super) fn finish(&self, exit: Exit) {
        self.state.send_modify(|state| state.exit = Some(exit));
    }

    /// Returns the end of the process, if it has ended.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.state.borrow().exit
    }

    /// Returns the position after the latest output.
    pub(super) fn end(&self) -> u64 {
        self.state.borrow().end
    }

    /// Returns whether a reader can go on at a position: one before or after a kept piece.
    pub(super) fn has(&self, position: u64) -> bool {
        let state = self.state.borrow();
        position == state.end || state.index_of(position).is_some()
    }

    /// Adds a reader that begins at a position.
    pub(super) fn reader(self: &Arc<Self>, position: u64) -> Reader<P> {
        let mut id = 0;
        self.state.send_modify(|state| {
            id = state.next_reader;
            state.next_reader += 1;
            state.readers.insert(id, position);
        });
        let changes = self.state.subscribe();
        Reader { journal: Arc::clone(self), id, next: position, changes }
    }
}

impl<P> State<P> {
    /// Returns the position before the oldest kept piece.
    fn start(&self) -> u64 {
        self.pieces.front().map_or(self.end, |(start, _)| *start)
    }

    fn index_of(&self, position: u64) -> Option<usize> {
        self.pieces.binary_search_by_key(&position, |(start, _)| *start).ok()
    }
}

impl<P: Piece> Reader<P> {
    /// Waits until there is something for [`take`](Self::take). Cancel safe.
    pub(super) async fn wait(&mut self) {
        let (id, next, window) = (self.id, self.next, self.journal.window);
        let ready = |state: &State<P>| {
            let consumed = state.readers.get(&id).copied().unwrap_or(next);
            let may_read = next < state.end && next.saturating_sub(consumed) < window;
            may_read || (next == state.end && state.exit.is_some())
        };
        let _ = self.changes.wait_for(ready).await;
    }

    /// Returns the pieces from the reader's position on, of an extent of `limit` and one piece more
    /// at most, within the reader's window.
    pub(super) fn take(&mut self, limit: u64) -> Next<P> {
        let state = self.changes.borrow_and_update();
        if self.next == state.end {
            return match state.exit {
                Some(exit) => Next::Ended(exit),
                None => Next::Pieces(Vec::new()),
            };
        }
        let Some(first) = state.index_of(self.next) else { return Next::Lagged };
        let consumed = state.readers.get(&self.id).copied().unwrap_or(self.next);
        let at_most = (self.next + limit).min(consumed + self.journal.window);
        let mut pieces = Vec::new();
        let mut next = self.next;
        for (start, piece) in state.pieces.range(first..) {
            if *start >= at_most {
                break;
            }
            next = *start + piece.extent();
            pieces.push(piece.clone());
        }
        drop(state);
        self.next = next;
        Next::Pieces(pieces)
    }

    /// Returns the position of the next piece.
    pub(super) fn position(&self) -> u64 {
        self.next
    }

    /// Returns a handle that records what the reader has consumed.
    pub(super) fn consumer(&self) -> Consumer<P> {
        Consumer { journal: Arc::clone(&self.journal), id: self.id }
    }

    /// Moves the reader to a position, with all before it consumed.
    pub(super) fn move_to(&mut self, position: u64) {
        self.next = position;
        self.consumer().consume(position);
    }
}

impl<P> Drop for Reader<P> {
    fn drop(&mut self) {
        self.journal.state.send_modify(|state| {
            state.readers.remove(&self.id);
        });
    }
}

/// Records what a reader has consumed.
#[derive(Clone, Debug)]
pub(super) struct Consumer<P> {
    journal: Arc<Journal<P>>,
    id: u64,
}

impl<P> Consumer<P> {
    /// Records that all output before a position was consumed. A position that is lower than a
    /// recorded one, or beyond the output, changes nothing.
    pub(super) fn consume(&self, position: u64) {
        self.journal.state.send_if_modified(|state| {
            let end = state.end;
            match state.readers.get_mut(&self.id) {
                Some(consumed) if *consumed < position && position <= end => {
                    *consumed = position;
                    true
                }
                _ => false,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[tokio::test]
    async fn readers_get_all_pieces_in_order_and_then_the_end() {
        let journal = Journal::new(100, 100);
        let mut early = journal.reader(0);
        journal.push(bytes("one"));
        journal.push(bytes("two"));
        let mut late = journal.reader(3);
        early.wait().await;
        assert_eq!(early.take(100), Next::Pieces(vec![bytes("one"), bytes("two")]));
        assert_eq!(late.take(1), Next::Pieces(vec![bytes("two")]));
        journal.finish(Exit::Code(3));
        early.wait().await;
        assert_eq!(early.take(100), Next::Ended(Exit::Code(3)));
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_so() {
        let journal = Journal::new(6, 100);
        let mut slow = journal.reader(0);
        for text in ["one", "two", "three"] {
            journal.push(bytes(text));
        }
        slow.wait().await;
        assert_eq!(slow.take(100), Next::Lagged);
        assert!(!journal.has(0) && !journal.has(7) && journal.has(6) && journal.has(11));
        slow.move_to(journal.end());
        journal.push(bytes("four"));
        assert_eq!(slow.take(100), Next::Pieces(vec![bytes("four")]));
    }

    #[tokio::test]
    async fn a_reader_gets_at_most_a_window_beyond_what_it_consumed() {
        let journal = Journal::new(100, 4);
        let mut reader = journal.reader(0);
        for text in ["one", "two", "six"] {
            journal.push(bytes(text));
        }
        assert_eq!(reader.take(100), Next::Pieces(vec![bytes("one"), bytes("two")]));
        assert_eq!(reader.take(100), Next::Pieces(vec![]));
        reader.consumer().consume(6);
        assert_eq!(reader.take(100), Next::Pieces(vec![bytes("six")]));
    }

    #[tokio::test]
    async fn the_foremost_reader_sets_the_pace() {
        let journal = Journal::new(100, 4);
        let (front, _back) = (journal.reader(0), journal.reader(0));
        journal.push(bytes("five!"));
        let has_room = async |journal: &Journal<Bytes>| {
            tokio::select! {
                biased;
                () = journal.wait_for_room() => true,
                () = std::future::ready(()) => false,
            }
        };
        assert!(!has_room(&journal).await);
        front.consumer().consume(2);
        assert!(has_room(&journal).await);
    }
}
