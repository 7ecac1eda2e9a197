//! Keyboards: the inputs of viewers, numbered by byte, so that a viewer whose connection was lost
//! sends again what the terminal has not taken, and nothing twice.
//!
//! ```text
//!  viewer: | acknowledged | sent, or typed while away |
//!                         ▲
//!  session: | written     |                    the offset that the next connection begins at
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::pty::Pty;

/// Maximum number of keyboards that a session keeps for viewers that are away. Chosen: far more
/// than people share a terminal. The one whose viewer left first is forgotten first, and its viewer
/// is told so when it comes back.
const MAX_DETACHED: usize = 64;

/// The keyboards of a session.
#[derive(Debug, Default)]
pub(super) struct Keyboards {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keyboards: BTreeMap<u64, Entry>,
    next_id: u64,
    /// The number of the latest change of a keyboard's connection.
    latest: u64,
}

#[derive(Debug)]
struct Entry {
    owner: Arc<str>,
    /// The number of bytes that the terminal has taken.
    written: u64,
    /// The number of the change that attached or detached its connection.
    change: u64,
    is_attached: bool,
}

/// A keyboard as its connection uses it. Dropping the value detaches it.
#[derive(Debug)]
pub(super) struct Keyboard {
    keyboards: Arc<Keyboards>,
    id: u64,
    change: u64,
    written: watch::Sender<u64>,
}

impl Keyboards {
    /// Attaches a connection to a keyboard of its owner, in place of the previous connection, or to
    /// a new one if the keyboard is not known.
    pub(super) fn attach(self: &Arc<Self>, id: Option<u64>, owner: &Arc<str>) -> Keyboard {
        let mut state = self.lock();
        state.latest += 1;
        let change = state.latest;
        let known = id
            .filter(|id| state.keyboards.get(id).is_some_and(|keyboard| keyboard.owner == *owner));
        let id = known.unwrap_or_else(|| {
            state.next_id += 1;
            state.next_id
        });
        let keyboard = state.keyboards.entry(id).or_insert_with(|| Entry {
            owner: Arc::clone(owner),
            written: 0,
            change,
            is_attached: true,
        });
        keyboard.change = change;
        keyboard.is_attached = true;
        let written = watch::Sender::new(keyboard.written);
        Keyboard { keyboards: Arc::clone(self), id, change, written }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keyboard {
    /// Returns the number of the keyboard in its session.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Returns the number of bytes of this keyboard that the terminal has taken.
    pub(super) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// Writes input, and counts it in the same step. Returns how much of it was taken, and `None`
    /// once another connection has this keyboard. Input for a terminal that no process has open is
    /// discarded, and counts as taken. Cancel safe.
    pub(super) async fn write(&self, pty: &Pty, input: &[u8]) -> Option<usize> {
        let write = |terminal: &OwnedFd| self.count(|| Ok(rustix::io::write(terminal, input)?));
        match pty.when_writable(write).await {
            Ok(taken) => taken,
            Err(_) => self.count(|| Ok(input.len())).ok().flatten(),
        }
    }

    fn count(&self, take: impl FnOnce() -> io::Result<usize>) -> io::Result<Option<usize>> {
        let mut state = self.keyboards.lock();
        let keyboard = state.keyboards.get_mut(&self.id);
        let Some(keyboard) = keyboard.filter(|keyboard| keyboard.change == self.change) else {
            return Ok(None);
        };
        let length = take()?;
        keyboard.written += length as u64;
        self.written.send_replace(keyboard.written);
        Ok(Some(length))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let mut state = self.keyboards.lock();
        state.latest += 1;
        let change = state.latest;
        match state.keyboards.get_mut(&self.id) {
            Some(keyboard) if keyboard.change == self.change => {
                keyboard.change = change;
                keyboard.is_attached = false;
            }
            _ => return,
        }
        let detached = state.keyboards.iter().filter(|(_, keyboard)| !keyboard.is_attached);
        if detached.clone().count() > MAX_DETACHED {
            let first = detached.min_by_key(|(_, keyboard)| keyboard.change).map(|(id, _)| *id);
            first.and_then(|id| state.keyboards.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn owner(name: &str) -> Arc<str> {
        name.into()
    }

    fn take(keyboard: &Keyboard, length: usize) -> Option<usize> {
        keyboard.count(|| Ok(length)).unwrap()
    }

    #[test]
    fn a_new_connection_goes_on_where_the_terminal_is() {
        let keyboards = Arc::<Keyboards>::default();
        let first = keyboards.attach(None, &owner("ada"));
        assert_eq!(take(&first, 3), Some(3));
        let again = keyboards.attach(Some(first.id()), &owner("ada"));
        assert_eq!((again.id(), *again.written().borrow()), (first.id(), 3));
        assert_eq!(take(&first, 1), None, "the first connection writes no more");
        drop(first);
        assert_eq!(take(&again, 2), Some(2));
        drop(again);
        let third = keyboards.attach(Some(1), &owner("ada"));
        assert_eq!(*third.written().borrow(), 5);
    }

    #[test]
    fn a_keyboard_of_another_owner_is_unknown() {
        let keyboards = Arc::<Keyboards>::default();
        let ada = keyboards.attach(None, &owner("ada"));
        let eve = keyboards.attach(Some(ada.id()), &owner("eve"));
        assert_ne!(eve.id(), ada.id());
        assert_eq!(take(&ada, 1), Some(1));
    }

    #[test]
    fn the_viewers_that_left_first_are_forgotten_first() {
        let keyboards = Arc::<Keyboards>::default();
        let stays = keyboards.attach(None, &owner("ada"));
        let first = keyboards.attach(None, &owner("ada")).id();
        for _ in 1..MAX_DETACHED {
            keyboards.attach(None, &owner("ada"));
        }
        assert_eq!(keyboards.attach(Some(first), &owner("ada")).id(), first);
        // The one that has come back is now the last.
        let second = first + 1;
        keyboards.attach(None, &owner("ada"));
        assert_eq!(keyboards.attach(Some(first), &owner("ada")).id(), first);
        assert_ne!(keyboards.attach(Some(second), &owner("ada")).id(), second);
        assert_eq!(take(&stays, 1), Some(1));
    }
}
