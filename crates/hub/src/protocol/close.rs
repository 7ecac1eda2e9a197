//! The close codes of centrifuge's protocol, which `sockeye.hub.v1` shares. Clients reconnect after
//! 3000 to 3499 and 4000 to 4499, and not after 3500 to 3999 and 4500 to 4999.

use sockeye::{CloseCode, CloseFrame};

/// The server failed.
pub(crate) const SERVER_ERROR: (u16, &str) = (3004, "internal server error");
/// The token of the connection has expired, and the client did not refresh it.
pub(crate) const EXPIRED: (u16, &str) = (3005, "connection expired");
/// Publications of a room that the server made the client join are missing.
pub(crate) const INSUFFICIENT_STATE: (u16, &str) = (3010, "insufficient state");
/// The client did not answer a ping.
pub(crate) const NO_PONG: (u16, &str) = (3012, "no pong");
/// The token of the connection is not valid.
pub(crate) const INVALID_TOKEN: (u16, &str) = (3500, "invalid token");
/// The client broke the protocol.
pub(crate) const BAD_REQUEST: (u16, &str) = (3501, "bad request");
/// The client did not connect in time.
pub(crate) const STALE: (u16, &str) = (3502, "stale");
/// The client would be in too many rooms.
pub(crate) const ROOM_LIMIT: (u16, &str) = (3505, "channel limit");
/// The client's encoding cannot carry a message.
pub(crate) const INAPPROPRIATE_PROTOCOL: (u16, &str) = (3506, "inappropriate protocol");

/// Creates a close frame.
pub(crate) fn frame((code, reason): (u16, &str)) -> CloseFrame {
    CloseFrame::from(CloseCode::from(code)).with_reason(reason)
}

/// Creates the close frame for a command that is too long.
pub(crate) fn too_long() -> CloseFrame {
    CloseFrame::from(CloseCode::MESSAGE_TOO_BIG).with_reason("the command is too long")
}
