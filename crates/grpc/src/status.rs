//! Conversion of errors below a call to its status.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName};
use http_body::Frame;
use sockeye::ErrorChain;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::{CallError, ConnectError};

pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// Returns the status of a call without a connection to send it on.
pub(crate) fn unconnected(cause: Arc<ConnectError>) -> Status {
    let mut status = Status::unavailable(format!("no connection: {cause}"));
    status.set_source(cause);
    status
}

/// Returns the status of a call that was repeatedly not sent because the connection was lost.
pub(crate) fn unsent(cause: CallError) -> Status {
    with_source(Code::Unavailable, "the connection was lost before the call was sent", cause)
}

/// Returns the status of a call that was cut off by a reset of its stream or by the end of the
/// connection.
pub(crate) fn of_call(cause: CallError) -> Status {
    let (code, message) = match cause.http2() {
        None => (Code::Unavailable, "the connection was lost"),
        // h2 also does so for headers over the configured limit.
        Some(error) if error.is_reset() && error.is_library() => (
            Code::Internal,
            "the head of the response is over Endpoint::max_header_list_size, or broke the rules of HTTP/2",
        ),
        Some(error) if error.is_reset() => of_reset(error.reason()),
        Some(error) if error.is_go_away() && error.is_remote() => {
            (Code::Unavailable, "the server ended the connection")
        }
        Some(error) if error.is_go_away() => {
            (Code::Unavailable, "the connection was ended, as the server broke the rules of HTTP/2")
        }
        Some(error) if error.is_io() || error.reason().is_some() => {
            (Code::Unavailable, "the connection was lost")
        }
        Some(_) => (Code::Internal, "HTTP/2 cannot carry this request"),
    };
    with_source(code, message, cause)
}

/// Maps a reset reason by the table of the gRPC protocol over HTTP/2, section "Errors".
fn of_reset(reason: Option<Reason>) -> (Code, &'static str) {
    match reason {
        Some(Reason::REFUSED_STREAM) => (Code::Unavailable, "the server refused the call"),
        Some(Reason::CANCEL) => (Code::Cancelled, "the server cancelled the call"),
        Some(Reason::ENHANCE_YOUR_CALM) => {
            (Code::ResourceExhausted, "the server has had enough of calls")
        }
        Some(Reason::INADEQUATE_SECURITY) => {
            (Code::PermissionDenied, "the server demands better security")
        }
        _ => (Code::Internal, "the server broke the call off"),
    }
}

/// Returns the status of a response that ended without one: the server reset it with `NO_ERROR`,
/// which h2 treats as a normal end, its trailers exceed the limit, in which case h2 keeps those
/// within the limit, or the server does not speak gRPC.
pub(crate) fn missing() -> Status {
    Status::internal(
        "the response ended without a status: the server sent none, or its trailers are over Endpoint::max_header_list_size",
    )
}

/// Removes status details that are not valid base64, on which tonic would panic.
pub(crate) fn check_details(headers: &mut HeaderMap) {
    const DETAILS: HeaderName = Status::GRPC_STATUS_DETAILS;
    let Some(details) = headers.get(DETAILS) else { return };
    let details = MetadataMap::from_headers(HeaderMap::from_iter([(DETAILS, details.clone())]));
    let is_valid = details.get_bin(DETAILS.as_str()).is_some_and(|value| value.to_bytes().is_ok());
    if !is_valid {
        headers.remove(DETAILS);
    }
}

/// Returns the frame with trailers that tonic can decode.
pub(crate) fn checked(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        check_details(trailers);
    }
    frame
}

fn with_source(code: Code, message: &str, cause: CallError) -> Status {
    let mut status = Status::new(code, format!("{message}: {}", ErrorChain(&cause)));
    status.set_source(Arc::new(cause));
    status
}

pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
