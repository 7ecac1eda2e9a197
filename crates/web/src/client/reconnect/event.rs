use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use sockeye_proto::{CloseFrame, Message};

use crate::{ConnectError, Error};

/// Maximum number of events other than messages that are kept while
/// [`Reconnecting::send`](super::Reconnecting::send) connects: those of 20 attempts.
const MAX_EVENTS: usize = 40;

/// An event of a [`Reconnecting`](super::Reconnecting).
///
/// ```text
///             ┌───────────── Failed ◄──┐
///             ▼                        │
/// ──► Connecting ──────────────────────┴──► Connected ──► Message, again and again
///             ▲                                               │
///             └────────────── Lost or Closed ◄────────────────┘
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt to connect follows after `delay`.
    Connecting {
        /// Number of the attempt; counts from 1 again after a connection that was open for
        /// [`reset_after`](super::Backoff::reset_after).
        attempt: u32,
        /// Time until the attempt.
        delay: Duration,
    },
    /// The attempt failed, and another one follows.
    Failed(ConnectError),
    /// The connection is open.
    Connected,
    /// A message arrived.
    Message(Message),
    /// The connection was closed by a closing handshake. An attempt to reconnect follows, unless
    /// the connection was closed permanently: see
    /// [`reopen_when`](super::Reconnecting::reopen_when).
    Closed(Option<CloseFrame>),
    /// The connection was lost without a closing handshake. An attempt to reconnect follows.
    Lost(Error),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { attempt, delay } => {
                write!(f, "attempt {attempt} begins in {delay:?}")
            }
            Self::Failed(error) => error.fmt(f),
            Self::Connected => f.write_str("connected"),
            Self::Message(message) => write!(f, "a message of {} bytes arrived", message.len()),
            Self::Closed(Some(frame)) => write!(f, "the server closed the connection: {frame}"),
            Self::Closed(None) => f.write_str("the server closed the connection"),
            Self::Lost(error) => error.fmt(f),
        }
    }
}

/// Events not yet returned to the program: all messages, and the most recent of the other events.
#[derive(Debug, Default)]
pub(super) struct Kept {
    events: VecDeque<Event>,
    /// Size of the messages among them, in bytes.
    size: usize,
}

impl Kept {
    pub(super) fn push(&mut self, event: Event) {
        self.size += size(&event);
        let is_other = |event: &Event| size(event) == 0;
        if is_other(&event)
            && self.events.iter().filter(|kept| is_other(kept)).count() == MAX_EVENTS
        {
            let oldest = self.events.iter().position(is_other);
            oldest.and_then(|oldest| self.events.remove(oldest));
        }
        self.events.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.size -= size(&event);
        Some(event)
    }

    /// Returns the size of the kept messages, in bytes: their length plus the overhead of an event
    /// each.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Returns the size of a message, in bytes; 0 for any other event.
fn size(event: &Event) -> usize {
    match event {
        Event::Message(message) => size_of::<Event>() + message.len(),
        _ => 0,
    }
}
