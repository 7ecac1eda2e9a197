//! The events of a connection that is reopened when it is lost.

use std::fmt;
use std::time::Duration;

use sockeye_proto::{CloseFrame, Message};

use crate::{ConnectError, Error};

/// An event of a [`Reconnecting`](super::Reconnecting).
///
/// ```text
///             ┌───────────── Failed ◄──┐
///             ▼                        │
/// ──► Connecting ──────────────────────┴──► Connected ──► Message, again and again
///             ▲                                               │
///             └────────────── Lost or Closed ◄────────────────┘
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// An attempt is scheduled.
    Connecting {
        /// The number of the attempt, counted from 1 after a connection that was open for
        /// [`reset_after`](super::Backoff::reset_after).
        attempt: u32,
        /// The delay from now until the attempt begins.
        delay: Duration,
    },
    /// The attempt failed, and another one follows.
    Failed(ConnectError),
    /// The connection is open.
    Connected,
    /// A message arrived.
    Message(Message),
    /// The connection was closed by a closing handshake. Another attempt follows, unless the close
    /// was final: see [`reopen_when`](super::Reconnecting::reopen_when).
    Closed(Option<CloseFrame>),
    /// The connection was lost without a closing handshake, and another attempt follows.
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
