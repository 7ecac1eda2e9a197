//! Errors of the gateway and of upstreams, in the form of each dialect.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::Body;
use crate::status::{Code, Status, rest_body};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns the status of a call that an upstream's connection ended.
pub(super) fn from_channel(status: &tonic::Status) -> Status {
    Status {
        code: Code::from_number(u32::try_from(i32::from(status.code())).unwrap_or(2)),
        message: status.message().to_owned(),
        details: Bytes::copy_from_slice(status.details()),
    }
}

/// Returns a response of REST with a status, without forms of its details.
pub(super) fn rest(status: &Status) -> Response<Body> {
    json(status.code.http_status(), rest_body(status, |_| None))
}

/// Returns a response of JSON, with the challenge that a 401 must have.
pub(super) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
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
    response
}

/// Returns a response for a request that HTTP itself forbids.
pub(super) fn http(status: StatusCode, message: &str) -> Response<Body> {
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        _ => Code::InvalidArgument,
    };
    json(status, rest_body(&Status::new(code, message), |_| None))
}

/// Returns a 405 with the methods that are allowed.
pub(super) fn method_not_allowed(allowed: HeaderValue) -> Response<Body> {
    let mut response = http(StatusCode::METHOD_NOT_ALLOWED, "the path does not have this method");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
