//! Conversion of connection and HTTP/2 errors to the status of a call.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName};
use http_body::Frame;
use sockeye::ErrorChain;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::error::Unsent;
use crate::{CallError, ConnectError};

/// Returns whether the server has certainly not executed the call that a [`Channel`] ended with
/// this status: there was no connection, the call never left the program, or the server refused its
/// stream (`REFUSED_STREAM`, RFC 9113 section 8.7). Such a call can be sent again, whatever its
/// method does.
///
/// Returns `false` for every other status, including those that a server sent.
///
/// [`Channel`]: crate::Channel
pub fn is_unprocessed(status: &Status) -> bool {
    let Some(source) = status.source() else { return false };
    if let Some(cause) = source.downcast_ref::<CallError>() {
        return cause.http2().is_some_and(|error| {
            error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM)
        });
    }
    source.is::<ConnectError>() || source.is::<Unsent>()
}

/// Returns the error of the attempt to connect, if a [`Channel`](crate::Channel) ended a call with
/// this status because it has no connection.
pub fn connect_error(status: &Status) -> Option<&ConnectError> {
    status.source()?.downcast_ref()
}

pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// Returns the status of a call for which no connection could be opened.
pub(crate) fn unconnected(cause: Arc<ConnectError>) -> Status {
    let mut status = Status::unavailable(format!("no connection: {cause}"));
    status.set_source(cause);
    status
}

/// Returns the status of a call that was not sent: the connection was lost on each attempt.
pub(crate) fn unsent(cause: CallError) -> Status {
    with_source(
        Code::Unavailable,
        "the connection was lost before the call was sent",
        Unsent(cause),
    )
}

/// Returns the status of a call that was cut off by a reset of its stream or by the end of the
/// connection.
pub(crate) fn from_call_error(cause: CallError) -> Status {
    let (code, message) = match cause.http2() {
        None => (Code::Unavailable, "the connection was lost"),
        // h2 itself resets a stream with invalid headers, or with headers over the limit.
        Some(error) if error.is_reset() && error.is_library() => (
            Code::Internal,
            "the response headers exceed Endpoint::max_header_list_size, \
             or the response violates HTTP/2",
        ),
        Some(error) if error.is_reset() => from_reset(error.reason()),
        Some(error) if error.is_go_away() && error.is_remote() => {
            (Code::Unavailable, "the server ended the connection")
        }
        Some(error) if error.is_go_away() => {
            (Code::Unavailable, "the connection was closed because the server violated HTTP/2")
        }
        Some(error) if error.is_io() || error.reason().is_some() => {
            (Code::Unavailable, "the connection was lost")
        }
        Some(_) => (Code::Internal, "HTTP/2 cannot carry this request"),
    };
    with_source(code, message, cause)
}

/// Maps a reset reason by the table of the gRPC protocol over HTTP/2, section "Errors".
fn from_reset(reason: Option<Reason>) -> (Code, &'static str) {
    match reason {
        Some(Reason::REFUSED_STREAM) => (Code::Unavailable, "the server refused the call"),
        Some(Reason::CANCEL) => (Code::Cancelled, "the server cancelled the call"),
        Some(Reason::ENHANCE_YOUR_CALM) => {
            (Code::ResourceExhausted, "the server reported excessive load")
        }
        Some(Reason::INADEQUATE_SECURITY) => (
            Code::PermissionDenied,
            "the connection does not meet the security requirements of the server",
        ),
        _ => (Code::Internal, "the server reset the call"),
    }
}

/// Returns the status of a response that ended without one. Either the server reset the stream with
/// `NO_ERROR`, which h2 treats as a normal end; or the trailers exceed the limit, beyond which h2
/// discards them; or the server does not implement gRPC.
pub(crate) fn missing() -> Status {
    Status::internal(
        "the response ended without a status: \
         the server sent none, or its trailers exceed Endpoint::max_header_list_size",
    )
}

/// Removes status details that are not valid base64: tonic would panic on them.
pub(crate) fn remove_invalid_details(headers: &mut HeaderMap) {
    const DETAILS: HeaderName = Status::GRPC_STATUS_DETAILS;
    let Some(details) = headers.get(DETAILS) else { return };
    let details = MetadataMap::from_headers(HeaderMap::from_iter([(DETAILS, details.clone())]));
    let is_valid = details.get_bin(DETAILS.as_str()).is_some_and(|value| value.to_bytes().is_ok());
    if !is_valid {
        headers.remove(DETAILS);
    }
}

/// Returns the frame, with invalid status details removed from its trailers.
pub(crate) fn without_invalid_details(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        remove_invalid_details(trailers);
    }
    frame
}

fn with_source(code: Code, message: &str, cause: impl Error + Send + Sync + 'static) -> Status {
    let mut status = Status::new(code, format!("{message}: {}", ErrorChain(&cause)));
    status.set_source(Arc::new(cause));
    status
}

/// Returns the first `E` among an error and its sources.
pub(crate) fn find_source<'a, E: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_is_unprocessed_only_where_that_is_certain() {
        assert!(is_unprocessed(&unsent(CallError::Lost)));
        let limit = Duration::from_secs(1);
        let refused = unconnected(Arc::new(ConnectError::TimedOut { limit }));
        assert!(is_unprocessed(&refused));
        assert!(matches!(connect_error(&refused), Some(ConnectError::TimedOut { .. })));
        // This program's own reset says nothing about the server.
        let reset = CallError::Http2(Reason::REFUSED_STREAM.into());
        for status in [from_call_error(CallError::Lost), from_call_error(reset), missing()] {
            assert!(!is_unprocessed(&status), "{status}");
            assert!(connect_error(&status).is_none(), "{status}");
        }
        assert!(!is_unprocessed(&Status::unavailable("the server said so")));
    }
}
