//! Errors of the gateway and of upstreams, in the form of each dialect.

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sockeye::ErrorChain;

use super::body::Body;
use crate::dialect::framing::{EndStream, Envelope};
use crate::dispatch::{MediaType, RequestHead, is_connect};
use crate::status::{Code, ConnectError, Status, rest_body};
use crate::upstream;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns the status of a call of `path` that ended before the upstream responded.
pub(super) fn from_call(status: &tonic::Status, path: &str) -> Status {
    if !upstream::is_unreachable(status) {
        return from_channel(status);
    }
    tracing::debug!(path, cause = status.message(), "a call has no upstream");
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    Status::new(Code::Unavailable, format!("the upstream of {service} cannot be reached"))
}

/// Returns the status of a call that an upstream's connection ended. The cause of a connection's end
/// is for the operator: it names addresses and errors of sockets.
pub(super) fn from_channel(status: &tonic::Status) -> Status {
    let message = match std::error::Error::source(status) {
        Some(cause) if status.code() == tonic::Code::Unavailable => {
            let cause = ErrorChain(cause).to_string();
            tracing::debug!(cause, "a connection to an upstream ended a call");
            let message = status.message().strip_suffix(&cause).unwrap_or(status.message());
            message.trim_end_matches(": ").to_owned()
        }
        _ => status.message().to_owned(),
    };
    Status {
        code: Code::from_number(u32::try_from(i32::from(status.code())).unwrap_or(2)),
        message,
        details: Bytes::copy_from_slice(status.details()),
    }
}

/// Returns the status of a call before the first upstream has answered. A client must not take its
/// method for one that does not exist.
pub(super) fn unknown_services() -> Status {
    let message = "the services of the upstreams are not known yet; try again later";
    Status::new(Code::Unavailable, message)
}

/// Returns a response of REST with a status, without forms of its details.
pub(super) fn rest(status: &Status) -> Response<Body> {
    json(status.code, status.code.http_status(), rest_body(status, |_| None))
}

/// Returns the response to a call that is refused before it has a method, in the form of its
/// dialect.
pub(super) fn refusal(head: &RequestHead<'_>, status: &Status) -> Response<Body> {
    let content_type = head.headers.get(CONTENT_TYPE).cloned();
    match (head.media_type(), content_type) {
        (MediaType::Grpc | MediaType::GrpcWeb | MediaType::GrpcWebText, Some(content_type)) => {
            trailers_only(status, content_type)
        }
        (MediaType::ConnectJson | MediaType::ConnectProto, Some(content_type)) => {
            let error = Some(ConnectError::new(status, |_| None));
            let end = EndStream { error, metadata: HeaderMap::new() }.to_json();
            let mut out = BytesMut::new();
            // The message is the gateway's own, and short.
            let _ = Envelope::encode(Envelope::END_STREAM, end.as_bytes(), &mut out);
            let mut response = Response::new(Body::whole(out.freeze()));
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response.extensions_mut().insert(status.code);
            response
        }
        (MediaType::Proto, _) => connect(&ConnectError::new(status, |_| None)),
        _ if is_connect(head.headers) => connect(&ConnectError::new(status, |_| None)),
        _ => rest(status),
    }
}

/// Returns the response of a unary call of Connect that failed.
pub(super) fn connect(error: &ConnectError) -> Response<Body> {
    json(error.code, error.code.http_status(), error.to_json())
}

/// Returns a response of JSON, with the challenge that a 401 must have.
pub(super) fn json(code: Code, status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    // For the record of the call.
    response.extensions_mut().insert(code);
    if status == StatusCode::UNAUTHORIZED {
        // Not the message of the upstream, which may contain anything.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Returns a response of gRPC without messages: the status is in the headers.
pub(super) fn trailers_only(status: &Status, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::default());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    status.set_trailers(response.headers_mut());
    response.extensions_mut().insert(status.code);
    response
}

/// Returns a response for a request that HTTP itself forbids.
pub(super) fn http(status: StatusCode, message: &str) -> Response<Body> {
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        _ => Code::InvalidArgument,
    };
    json(code, status, rest_body(&Status::new(code, message), |_| None))
}

/// Returns a response for a call of an RPC dialect that HTTP itself forbids: an error of Connect,
/// with the code that clients of gRPC and Connect derive from the status.
pub(super) fn rpc(status: StatusCode, message: &str) -> Response<Body> {
    let error = Status::new(Code::from_http_status(status), message);
    json(error.code, status, ConnectError::new(&error, |_| None).to_json())
}

/// Adds the methods that are allowed to a 405.
pub(super) fn allow(mut response: Response<Body>, allowed: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(ALLOW, allowed);
    response
}
