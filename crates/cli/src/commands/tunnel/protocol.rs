//! The first bytes of each stream, which docs/tunnel.md defines.
//!
//! A stream begins with a request, and the other direction with an answer. Data follows both at
//! once, without waiting for the other.

mod answer;
mod request;

use std::time::Duration;

pub(super) use self::answer::{Answer, AnswerError, Code};
pub(super) use self::request::{Kind, MAX_HOST_LENGTH, Request, RequestError};

/// The subprotocol of the WebSocket: a tunnel is a session that outlives it.
pub(super) const SUBPROTOCOL: &str = sockeye::resume::SUBPROTOCOL;

/// The path at which a server has its tunnel.
pub(super) const PATH: &str = "/tunnel";

/// Timeout of a request after its stream was opened: the request is sent with the opening.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The code of a reset stream whose connection was reset, or whose other direction failed.
pub(super) const CONNECTION_RESET: u64 = 0x01;

/// The code of a reset stream that was without data for too long.
pub(super) const IDLE: u64 = 0x02;

/// The code with which a session is closed whose program ends.
pub(super) const GOING_AWAY: u32 = 0x00;

/// The code with which a server closes the sessions of a token that it admits no longer.
pub(super) const TOKEN_REMOVED: u32 = 0x01;

/// The code with which a server closes a session without a WebSocket, whose address to listen on
/// another session of the same client asks for.
pub(super) const REPLACED: u32 = 0x02;
