//! The ends of calls on a WebSocket.

use http::HeaderMap;

use crate::service::messages::End;
use crate::status::{Code, Status};

/// Returns the end of a call whose headers are trailers as well: a response without messages.
pub(super) fn trailers_only(headers: &HeaderMap) -> Option<End> {
    let status = Status::from_trailers(headers)?;
    Some(End { status, trailers: headers.clone() })
}

/// Returns the status of a call that has taken longer than its client allows.
pub(super) fn deadline_exceeded() -> Status {
    Status::new(Code::DeadlineExceeded, "the deadline of the call passed")
}
