use std::error::Error;
use std::fmt;

use sockeye::UsageError;

use crate::bus::BusError;
use crate::core::filter::FilterError;
use crate::core::presence::PresenceError;
use crate::core::topics::JoinError;
use crate::core::{RoomName, RoomNameError};
use crate::protocol::Refusal;

/// The result of the operations of a hub.
pub type Result<T, E = HubError> = std::result::Result<T, E>;

/// The reason why an operation of a hub failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HubError {
    /// The text is not the name of a room.
    RoomName(RoomNameError),
    /// The application's hook refused to let the session join the room, or publish to it.
    Denied(Denied),
    /// There are too many rooms: see [`Builder::limits`](crate::Builder::limits).
    TooManyRooms(JoinError),
    /// The filter is too large, together with the one that the server forces on the session.
    Filter(FilterError),
    /// The presence refused the session or its info.
    Presence(PresenceError),
    /// The room has no history.
    NoHistory(RoomName),
    /// The session is over, or closing.
    Closed,
    /// The WebSocket protocol forbids the close code or reason.
    Usage(UsageError),
    /// The bus failed.
    Bus(BusError),
    /// A function of the application panicked: a hook, or the one of
    /// [`Builder::rooms`](crate::Builder::rooms). The panic was logged.
    Panicked,
}

/// A refusal by the application, with a code of its own and a text for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The application's code.
    pub code: u32,
    /// The reason, as the client may read it.
    pub reason: Box<str>,
}

impl Denied {
    /// Creates a refusal with code 103, which is "permission denied" in the protocol of centrifuge.
    pub fn new(reason: &str) -> Self {
        Self { code: 103, reason: reason.into() }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoomName(error) => error.fmt(f),
            Self::Denied(denied) => write!(f, "permission denied: {}", denied.reason),
            Self::TooManyRooms(error) => error.fmt(f),
            Self::Filter(error) => error.fmt(f),
            Self::Presence(error) => error.fmt(f),
            Self::NoHistory(room) => write!(f, "the room {room:?} has no history"),
            Self::Closed => f.write_str("the session is over"),
            Self::Usage(error) => write!(f, "the WebSocket protocol forbids this: {error}"),
            Self::Bus(error) => error.fmt(f),
            Self::Panicked => f.write_str("a function of the application panicked"),
        }
    }
}

impl Error for HubError {}

impl From<RoomNameError> for HubError {
    fn from(error: RoomNameError) -> Self {
        Self::RoomName(error)
    }
}

impl From<JoinError> for HubError {
    fn from(error: JoinError) -> Self {
        Self::TooManyRooms(error)
    }
}

impl From<FilterError> for HubError {
    fn from(error: FilterError) -> Self {
        Self::Filter(error)
    }
}

impl From<PresenceError> for HubError {
    fn from(error: PresenceError) -> Self {
        Self::Presence(error)
    }
}

impl From<BusError> for HubError {
    fn from(error: BusError) -> Self {
        Self::Bus(error)
    }
}

impl From<UsageError> for HubError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<Denied> for HubError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// Clients are told what they did wrong, and of the server's failures only that there was one.
impl From<HubError> for Refusal {
    fn from(error: HubError) -> Self {
        match error {
            HubError::RoomName(error) => Self::BAD_REQUEST.because(error.to_string()),
            HubError::Denied(denied) => Self::new(denied.code, String::from(denied.reason)),
            HubError::TooManyRooms(_) => Self::LIMIT_EXCEEDED.because("too many rooms"),
            HubError::Filter(error) => Self::BAD_REQUEST.because(error.to_string()),
            HubError::Presence(error) => Self::BAD_REQUEST.because(error.to_string()),
            HubError::NoHistory(_) => Self::NOT_AVAILABLE.because("the room has no history"),
            _ => Self::INTERNAL,
        }
    }
}
