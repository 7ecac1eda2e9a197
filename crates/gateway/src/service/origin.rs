//! Requests of pages: the check of their origin, and CORS.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use sockeye::upgrade::OriginPolicy;

use super::body::Body;
use super::error;
use crate::metadata::exposed_headers;
use crate::status::{Code, Status};

/// Time in seconds for which a browser may keep the answer to a preflight: the maximum of Chromium.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Returns the response to a request of a page whose origin may not call.
pub(super) fn refuse<B>(policy: &OriginPolicy, request: &Request<B>) -> Option<Response<Body>> {
    let origin = request.headers().get(ORIGIN)?;
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    if origin.to_str().is_ok_and(|origin| policy.allows(origin, host)) {
        return None;
    }
    let status = Status::new(Code::PermissionDenied, "pages of this origin may not call");
    Some(error::rest(&status))
}

/// Returns the answer to a preflight of CORS, whose origin was checked. [`Cors`] adds the origin.
pub(super) fn preflight(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // The metadata policy decides which of them pass.
    if let Some(requested) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
    response
}

/// The origin of a request, for the headers of its response.
#[derive(Debug)]
pub(super) struct Cors {
    origin: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self { origin: request.headers().get(ORIGIN).cloned() }
    }

    /// Lets the page read the response, all of its headers, and the status.
    pub(super) fn add(self, headers: &mut HeaderMap) {
        let Some(origin) = self.origin else { return };
        let exposed = exposed_headers(headers);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn request(origin: &str) -> Request<()> {
        let request = Request::post("/pkg.S/M").header(HOST, "api.example.com");
        request.header(ORIGIN, origin).body(()).unwrap()
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let policy = OriginPolicy::same_origin();
        assert!(refuse(&policy, &request("https://api.example.com")).is_none());
        let refusal = refuse(&policy, &request("https://evil.example")).unwrap();
        assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
        assert!(refuse(&policy, &request("null")).is_some());
        assert!(refuse(&policy, &Request::new(())).is_none());
        // HTTP/2 has no header `host`.
        let http2 = Request::post("https://api.example.com/pkg.S/M");
        let http2 = http2.header(ORIGIN, "https://api.example.com").body(()).unwrap();
        assert!(refuse(&policy, &http2).is_none());
    }

    #[test]
    fn a_page_may_read_the_status_and_all_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("1"));
        Cors::of(&request("https://a.example")).add(&mut headers);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        let exposed = "grpc-message, grpc-status, grpc-status-details-bin, x-echo";
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], exposed);
        let mut none = HeaderMap::new();
        Cors::of(&Request::new(())).add(&mut none);
        assert!(none.is_empty());
    }
}
