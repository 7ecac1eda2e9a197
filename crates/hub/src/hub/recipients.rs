use bytes::Bytes;

use crate::core::{SessionId, UserId};

/// Sessions of all nodes, to which something is sent or done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recipients {
    /// All sessions.
    All,
    /// All sessions but one.
    AllExcept(SessionId),
    /// The sessions with these identities.
    Sessions(Vec<SessionId>),
    /// The sessions of a user.
    User(UserId),
    /// The sessions of a user but one.
    UserExcept(UserId, SessionId),
    /// The sessions for which a [selector](crate::Builder::selector) returns `true`. A node without
    /// this selector has none, nor has a session for which the selector panics.
    Selected {
        /// The name of the selector.
        selector: Box<str>,
        /// The argument of the selector.
        argument: Bytes,
    },
}

impl Recipients {
    /// Returns the sessions that a selector chooses for an argument.
    pub fn selected(selector: &str, argument: impl Into<Bytes>) -> Self {
        Self::Selected { selector: selector.into(), argument: argument.into() }
    }
}

impl From<SessionId> for Recipients {
    fn from(session: SessionId) -> Self {
        Self::Sessions(vec![session])
    }
}

impl From<Vec<SessionId>> for Recipients {
    fn from(sessions: Vec<SessionId>) -> Self {
        Self::Sessions(sessions)
    }
}

impl From<UserId> for Recipients {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}
