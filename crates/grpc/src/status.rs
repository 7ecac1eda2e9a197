//! From what went wrong below a call to its status.

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

/// There is no connection to send the call on.
pub(crate) fn unconnected(cause: Arc<ConnectError>) -> Status {
    let mut status = Status::unavailable(format!("no connection: {cause}"));
    status.set_source(cause);
    status
}

/// The connection went away before the call was sent, again and again.
pub(crate) fn unsent(cause: CallError) -> Status {
    with_source(Code::Unavailable, "the connection was lost before the call was sent", cause)
}

/// The call was cut, by a reset of its stream or by the end of the connection.
pub(crate) fn of_call(cause: CallError) -> Status {
    let (code, message) = match cause.http2() {
        None => (Code::Unavailable, "the connection was lost"),
        // h2 does so with headers over the limit that it was given, too.
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

/// The table of the gRPC protocol over HTTP/2, section "Errors".
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

/// The response came to an end without a status: the server reset it with `NO_ERROR`, which h2 takes for an end like any
/// other, its trailers are over the limit, of which h2 keeps what is within, or it does not speak gRPC.
pub(crate) fn missing() -> Status {
    Status::internal(
        "the response ended without a status: the server sent none, or its trailers are over Endpoint::max_header_list_size",
    )
}

/// Removes status details that are no base64: tonic would panic.
pub(crate) fn check_details(headers: &mut HeaderMap) {
    const DETAILS: HeaderName = Status::GRPC_STATUS_DETAILS;
    let Some(details) = headers.get(DETAILS) else { return };
    let details = MetadataMap::from_headers(HeaderMap::from_iter([(DETAILS, details.clone())]));
    let is_valid = details.get_bin(DETAILS.as_str()).is_some_and(|value| value.to_bytes().is_ok());
    if !is_valid {
        headers.remove(DETAILS);
    }
}

/// A frame of a response whose trailers tonic can read.
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
