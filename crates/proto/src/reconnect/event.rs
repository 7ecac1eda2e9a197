use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::{CloseFrame, Message};

/// Maximum number of events other than messages that are kept while a program sends and does not
/// ask for events: those of 20 attempts.
const MAX_EVENTS: usize = 40;

/// An event of a client that reconnects; `C` is the error of an attempt to connect, and `E` that of
/// a connection.
///
/// ```text
///            ┌──────────── Failed ◄──┐
///            ▼                       │
/// ──► Scheduled ─────────────────────┴──► Connected ──► Message, again and again
///            ▲                                              │
///            └───────────── Lost or Closed ◄────────────────┘
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<C, E> {
    /// An attempt to connect is scheduled, and begins after `delay`.
    Scheduled {
        /// The number of the attempt, counted from 1 after a connection that was open for
        /// [`Backoff::reset_after`](super::Backoff::reset_after).
        attempt: u32,
        /// The delay from now until the attempt begins.
        delay: Duration,
    },
    /// The attempt failed, and another one follows.
    Failed(C),
    /// The connection is open.
    Connected,
    /// A message arrived.
    Message(Message),
    /// The connection was closed by a closing handshake. Another attempt follows, unless the close
    /// was permanent: see `Reconnecting::reopen_when`.
    Closed(Option<CloseFrame>),
    /// The connection was lost without a closing handshake, and another attempt follows.
    Lost(E),
}

impl<C: fmt::Display, E: fmt::Display> fmt::Display for Event<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduled { attempt, delay } => {
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
pub(super) struct EventQueue<C, E> {
    events: VecDeque<Event<C, E>>,
    /// Size of the messages among them, in bytes.
    messages_size: usize,
}

impl<C, E> EventQueue<C, E> {
    pub(super) const fn new() -> Self {
        Self { events: VecDeque::new(), messages_size: 0 }
    }

    pub(super) fn push(&mut self, event: Event<C, E>) {
        let size = message_size(&event);
        self.messages_size += size;
        if size == 0 {
            self.make_space();
        }
        self.events.push_back(event);
    }

    /// Drops the oldest event other than a message, if there are [`MAX_EVENTS`] of them.
    fn make_space(&mut self) {
        let mut others = self.events.iter().enumerate().filter(|(_, kept)| message_size(kept) == 0);
        let oldest = others.next().map(|(oldest, _)| oldest);
        if 1 + others.count() >= MAX_EVENTS {
            oldest.and_then(|oldest| self.events.remove(oldest));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event<C, E>> {
        let event = self.events.pop_front()?;
        self.messages_size -= message_size(&event);
        Some(event)
    }

    /// Returns the size of the kept messages, in bytes: their lengths plus the overhead of an event
    /// each.
    pub(super) const fn messages_size(&self) -> usize {
        self.messages_size
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}

/// Returns the size of a message, in bytes; 0 for any other event.
fn message_size<C, E>(event: &Event<C, E>) -> usize {
    match event {
        Event::Message(message) => size_of::<Event<C, E>>() + message.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduled(attempt: u32) -> Event<(), ()> {
        Event::Scheduled { attempt, delay: Duration::ZERO }
    }

    #[test]
    fn all_messages_and_the_last_forty_other_events_are_kept() {
        let mut queue = EventQueue::new();
        queue.push(scheduled(0));
        for attempt in 1..=41 {
            queue.push(Event::Message("x".into()));
            queue.push(scheduled(attempt));
        }
        let message = size_of::<Event<(), ()>>() + 1;
        assert_eq!(queue.messages_size(), 41 * message);
        // The events of the attempts 0 and 1 were dropped.
        assert_eq!(queue.pop(), Some(Event::Message("x".into())));
        for attempt in 2..=41 {
            assert_eq!(queue.pop(), Some(Event::Message("x".into())));
            assert_eq!(queue.messages_size(), (41 - attempt as usize) * message);
            assert_eq!(queue.pop(), Some(scheduled(attempt)));
        }
        assert_eq!(queue.pop(), None);
        queue.push(Event::Message("x".into()));
        queue.clear();
        assert_eq!((queue.pop(), queue.messages_size()), (None, 0));
    }
}
