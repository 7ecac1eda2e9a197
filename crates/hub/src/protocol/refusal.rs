use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The refusal of a client's command, which the client receives in place of a reply.
///
/// The codes up to 399 are those of centrifuge's protocol, which `sockeye.hub.v1` shares. An
/// application uses codes from 400 to 1999 for its own refusals.
///
/// ```
/// use sockeye_hub::protocol::Refusal;
///
/// let refusal = Refusal::new(400, "the game has ended");
/// assert!(!refusal.temporary);
/// assert_eq!(Refusal::PERMISSION_DENIED.code, 103);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, by which programs decide.
    pub code: u32,
    /// The reason, for developers.
    pub message: Cow<'static, str>,
    /// `true` if the same command may succeed later.
    pub temporary: bool,
}

impl Refusal {
    /// The server failed (100). Clients try again.
    pub const INTERNAL: Self = Self::constant(100, "internal server error", true);
    /// The client is not authenticated (101).
    pub const UNAUTHORIZED: Self = Self::constant(101, "unauthorized", false);
    /// There is no such room (102).
    pub const UNKNOWN_ROOM: Self = Self::constant(102, "unknown channel", false);
    /// The client may not do this (103).
    pub const PERMISSION_DENIED: Self = Self::constant(103, "permission denied", false);
    /// There is no such command or method (104).
    pub const METHOD_NOT_FOUND: Self = Self::constant(104, "method not found", false);
    /// The client is in the room already (105).
    pub const ALREADY_JOINED: Self = Self::constant(105, "already subscribed", false);
    /// A limit was exceeded (106).
    pub const LIMIT_EXCEEDED: Self = Self::constant(106, "limit exceeded", false);
    /// The command is malformed (107).
    pub const BAD_REQUEST: Self = Self::constant(107, "bad request", false);
    /// The server, or the room, does not have this (108).
    pub const NOT_AVAILABLE: Self = Self::constant(108, "not available", false);
    /// The token has expired (109): clients fetch a new one and try again.
    pub const TOKEN_EXPIRED: Self = Self::constant(109, "token expired", false);
    /// The connection has expired (110).
    pub const EXPIRED: Self = Self::constant(110, "expired", false);
    /// The client sends too many commands (111). Clients try again.
    pub const TOO_MANY_REQUESTS: Self = Self::constant(111, "too many requests", true);
    /// The publications after a position cannot be provided (112).
    pub const UNRECOVERABLE_POSITION: Self = Self::constant(112, "unrecoverable position", false);
    /// The token was revoked (113): clients fetch a new one and try again.
    pub const TOKEN_REVOKED: Self = Self::constant(113, "token revoked", false);

    const fn constant(code: u32, message: &'static str, temporary: bool) -> Self {
        Self { code, message: Cow::Borrowed(message), temporary }
    }

    /// Creates a refusal that is not temporary.
    pub fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), temporary: false }
    }

    /// Returns this refusal with another message.
    pub(crate) fn because(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl Error for Refusal {}
