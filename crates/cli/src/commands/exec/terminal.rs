//! Commands on a terminal, which outlives the sockets of its viewers.
//!
//! ```text
//!  process ◄─► pty ─► filter ─┬─► screen (what a new viewer gets)
//!                ▲            └─► journal ─► viewer ─► sockeye.tty.v1 or tty
//!                └── keyboard, size ◄────────── viewer ◄─┘
//! ```

mod filter;
mod format;
mod keyboard;
mod output;
mod pty;
mod recorder;
mod screen;
mod session;
mod sessions;
mod sockeye_v1;
mod ttyd;
mod typing;

pub(super) use self::sessions::{Registry, Sessions};

use std::time::Duration;

use sockeye::split::Receiver;
use sockeye::{CloseCode, WebSocket};

use super::access::{Access, Grant};
use super::environment::Request;
use super::exit::Exit;

/// The subprotocols of a terminal, in the server's order of preference.
pub(super) const SUBPROTOCOLS: [&str; 2] = [sockeye_v1::NAME, ttyd::NAME];

/// Timeout for the first message of a client.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// The close codes of a terminal, besides those of the end of its process.
const UNAUTHORIZED: u16 = 4401;
const NO_SESSION: u16 = 4404;
const REPLACED: u16 = 4409;

/// Serves a viewer until it leaves or the process has ended. A viewer without a grant presents a
/// token in its first message.
pub(super) async fn serve(
    ws: WebSocket,
    request: Request,
    grant: Option<Grant>,
    access: &Access,
    sessions: &Sessions,
) {
    if ws.subprotocol() == Some(ttyd::NAME) {
        ttyd::serve(ws, request, grant, access, sessions).await;
    } else {
        sockeye_v1::serve(ws, request, grant, access, sessions).await;
    }
}

/// The reason for which the server closes the connection of a viewer.
#[derive(Debug)]
struct Refused {
    code: CloseCode,
    reason: &'static str,
}

impl Refused {
    fn new(code: impl Into<CloseCode>, reason: &'static str) -> Self {
        Self { code: code.into(), reason }
    }

    fn unauthorized() -> Self {
        Self::new(UNAUTHORIZED, "a valid token is required")
    }

    fn malformed() -> Self {
        Self::new(CloseCode::POLICY_VIOLATION, "malformed message")
    }
}

/// Returns the rights of a viewer: those of its request, or else of the token in its first message.
fn authorize(grant: Option<Grant>, token: Option<&str>, access: &Access) -> Result<Grant, Refused> {
    grant.or_else(|| access.admit_token(token?)).ok_or_else(Refused::unauthorized)
}

/// Closes the connection of a viewer with the end of the process, or the reason of the refusal.
async fn close(mut receiver: Receiver, ended: Result<Exit, Refused>) {
    let (code, reason) = match ended {
        Ok(exit) => (exit.close_code(), exit.to_string()),
        Err(refused) => (refused.code, refused.reason.to_owned()),
    };
    let _ = receiver.close(code, reason).await;
}

/// Returns the first message of a viewer.
async fn first_message(receiver: &mut Receiver) -> Result<sockeye::Message, Refused> {
    match tokio::time::timeout(FIRST_MESSAGE, receiver.recv()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(_) => Err(Refused::new(CloseCode::NORMAL_CLOSURE, "")),
        Err(_) => Err(Refused::new(CloseCode::POLICY_VIOLATION, "no first message")),
    }
}
