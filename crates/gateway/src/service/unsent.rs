//! Messages that a client or an upstream has not taken yet, charged to the memory budget of the
//! gateway.
//!
//! A connection asks for the next piece of a body when it has sent most of those before. The rest
//! waits in [`Unsent`]. When the budget needs the memory of the rest, the rest is dropped at once,
//! also while the connection waits for its peer: the connection learns of it when it asks for the
//! next piece, and then resets the stream, or closes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use bytes::Bytes;
use sockeye::{Charge, MemoryBudget};

use super::held_bytes::{HeldBytes, NO_MEMORY};
use crate::status::Status;

/// Maximum length of a piece, in bytes. Chosen: a connection holds one or two pieces for a peer that
/// does not read, and these cannot be dropped. Equal to the buffer of a connection of HTTP/1.1 in
/// the program's server.
const PIECE: usize = 32 * 1024;

/// The bytes that a connection has not asked for.
pub(super) struct Unsent {
    rest: Arc<Rest>,
    /// The number of bytes in `rest`.
    length: usize,
    budget: MemoryBudget,
}

/// The error of bytes whose rest was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped;

#[derive(Default)]
struct Rest(Mutex<State>);

#[derive(Default)]
enum State {
    /// The charge can be chosen, and the pieces are being made.
    #[default]
    New,
    Held {
        /// Pieces with memory of their own, so that those that were sent are freed.
        pieces: VecDeque<Bytes>,
        charge: Charge,
    },
    Dropped,
}

impl Unsent {
    /// Takes a message of the call that holds these bytes.
    ///
    /// # Errors
    /// The status of a call for which there is no memory.
    pub(super) fn new(bytes: Bytes, mut held: HeldBytes) -> Result<Self, Status> {
        let length = bytes.len();
        held.set(length)?;
        let (budget, mut charge) = held.into_charge();
        let rest = Arc::new(Rest::default());
        charge.wake_by(&Waker::from(Arc::new(DropRest(Arc::downgrade(&rest)))));
        let pieces = if length <= PIECE {
            VecDeque::from([bytes])
        } else {
            bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect()
        };
        let mut state = rest.lock();
        if matches!(*state, State::New) {
            *state = State::Held { pieces, charge };
        }
        drop(state);
        Ok(Self { rest, length, budget })
    }

    /// Returns the number of bytes that are left.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Takes the next piece. `None` after the last one.
    ///
    /// # Errors
    /// [`Dropped`] if the budget needed the memory of the rest.
    pub(super) fn next_piece(&mut self) -> Result<Option<Bytes>, Dropped> {
        if self.length == 0 {
            return Ok(None);
        }
        let piece = self.take_piece().ok_or(Dropped)?;
        let mut charge = self.budget.charge();
        // The bytes were held before, and are the connection's now: nothing can drop them.
        let _ = charge.set(piece.len());
        Ok(Some(Bytes::from_owner(ChargedPiece { piece, _charge: charge })))
    }

    fn take_piece(&mut self) -> Option<Bytes> {
        let mut state = self.rest.lock();
        let State::Held { pieces, charge } = &mut *state else { return None };
        let piece = pieces.pop_front()?;
        self.length -= piece.len();
        // Fails if the rest was chosen meanwhile, and is about to be dropped.
        let _ = charge.set(self.length);
        Some(piece)
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.rest.clear();
    }
}

impl Rest {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the bytes.
    fn clear(&self) {
        // The charge is dropped without the lock: dropping it takes a lock of the budget.
        let state = std::mem::replace(&mut *self.lock(), State::Dropped);
        if let State::Held { mut charge, .. } = state {
            // Fails if the rest was chosen, and counts it then.
            let _ = charge.set(0);
        }
    }
}

/// Drops the rest when the budget wakes it.
struct DropRest(Weak<Rest>);

impl Wake for DropRest {
    fn wake(self: Arc<Self>) {
        if let Some(rest) = self.0.upgrade() {
            rest.clear();
        }
    }
}

/// The error of the body whose rest was dropped.
impl From<Dropped> for tonic::Status {
    fn from(Dropped: Dropped) -> Self {
        Self::resource_exhausted(NO_MEMORY)
    }
}

/// A piece in the hands of a connection, charged until the last slice of it was dropped.
struct ChargedPiece {
    piece: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for ChargedPiece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::status::Code;

    const MIB: usize = 1024 * 1024;

    fn unsent(length: usize, budget: &MemoryBudget) -> Result<Unsent, Status> {
        Unsent::new(vec![7; length].into(), HeldBytes::of_call(budget))
    }

    #[test]
    fn pieces_are_charged_until_they_were_sent() {
        let budget = MemoryBudget::new(4 * MIB);
        let mut response = unsent(100_000, &budget).unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = response.next_piece().unwrap() {
            pieces.push(piece);
            assert_eq!(budget.held(), 100_000);
        }
        assert_eq!(pieces.concat(), vec![7; 100_000]);
        assert_eq!((response.length(), pieces.len()), (0, 4));
        let slice = pieces.pop().unwrap().slice(..1);
        drop((response, pieces));
        assert_eq!(budget.held(), 100_000 - 3 * PIECE);
        drop(slice);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn the_largest_rest_is_dropped_while_its_peer_does_not_read() {
        let budget = MemoryBudget::new(4 * MIB);
        let mut stalled = unsent(3 * MIB, &budget).unwrap();
        let piece = stalled.next_piece().unwrap().unwrap();
        let mut other = unsent(2 * MIB, &budget).unwrap();
        // The memory is free before the connection polls.
        assert_eq!(budget.held(), PIECE + 2 * MIB);
        assert_eq!(stalled.next_piece(), Err(Dropped));
        assert_eq!(budget.closed(), 1);
        while other.next_piece().unwrap().is_some() {}
        drop((stalled, piece, other));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn a_message_that_the_budget_cannot_hold_is_refused() {
        let budget = MemoryBudget::new(4 * MIB);
        let status = unsent(4 * MIB + 1, &budget).err().unwrap();
        assert_eq!(status.code, Code::ResourceExhausted);
        assert_eq!(budget.held(), 0);
        let rest = unsent(MIB, &budget).unwrap();
        drop(rest);
        assert_eq!(budget.held(), 0);
    }
}
