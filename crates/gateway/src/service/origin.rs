//! Requests of pages: the check of their origin, and CORS.
//!
//! A browser sends `Origin` with requests that a script makes, with forms and with WebSockets, and
//! not with images, scripts, frames and links. Fetch Metadata (`Sec-Fetch-Site`) tells where those
//! come from.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use sockeye::upgrade::OriginPolicy;

use super::body::Body;
use super::error;
use crate::metadata::exposed_headers;
use crate::status::{Code, Status};

/// Time in seconds for which a browser may keep the answer to a preflight: the maximum of Chromium.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// The relation of the page to the server.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Returns the response to a request of a page whose origin may not call.
///
/// Without `Origin`, a request of another origin's page counts as one of the origin `null`.
pub(super) fn refuse<B>(policy: &OriginPolicy, request: &Request<B>) -> Option<Response<Body>> {
    let headers = request.headers();
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    let (is_allowed, message) = match headers.get(ORIGIN) {
        Some(origin) => (
            origin.to_str().is_ok_and(|origin| policy.allows(origin, host)),
            "pages of this origin may not call",
        ),
        None => (
            !is_of_another_origin(headers) || policy.allows("null", host),
            "pages of other origins may not call",
        ),
    };
    (!is_allowed).then(|| error::rest(&Status::new(Code::PermissionDenied, message)))
}

/// Returns the response to a request of a page that may not read a document. A link of any page may
/// open the document: the other page reads nothing of it.
pub(super) fn refuse_document<B>(
    policy: &OriginPolicy,
    request: &Request<B>,
) -> Option<Response<Body>> {
    let headers = request.headers();
    let is = |name: HeaderName, value: &str| headers.get(name).is_some_and(|found| found == value);
    let is_opened = is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document");
    if is_opened { None } else { refuse(policy, request) }
}

/// Reports whether a browser says that the request comes from a page of another origin. Browsers say
/// nothing to servers without TLS that are not on the same machine.
fn is_of_another_origin(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE);
    site.is_some_and(|site| site == "cross-site" || site == "same-site")
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
    fn requests_of_other_pages_are_refused_without_an_origin() {
        let request = |site: &str| {
            let request = Request::get("/v1/books").header(HOST, "api.example.com");
            let request = request.header(SEC_FETCH_SITE, site).header(SEC_FETCH_MODE, "no-cors");
            request.body(()).unwrap()
        };
        let policy = OriginPolicy::same_origin().allow("https://app.example.com").unwrap();
        for (site, is_refused) in
            [("cross-site", true), ("same-site", true), ("same-origin", false), ("none", false)]
        {
            assert_eq!(refuse(&policy, &request(site)).is_some(), is_refused, "{site}");
            assert!(refuse(&OriginPolicy::any(), &request(site)).is_none());
        }
        let mut named = request("same-site");
        named.headers_mut().insert(ORIGIN, HeaderValue::from_static("https://app.example.com"));
        assert!(refuse(&policy, &named).is_none());
    }

    #[test]
    fn links_open_documents_and_call_nothing() {
        let policy = OriginPolicy::same_origin();
        let mut link = Request::get("/").header(SEC_FETCH_SITE, "cross-site").body(()).unwrap();
        link.headers_mut().insert(SEC_FETCH_MODE, HeaderValue::from_static("navigate"));
        link.headers_mut().insert(SEC_FETCH_DEST, HeaderValue::from_static("document"));
        assert!(refuse(&policy, &link).is_some());
        assert!(refuse_document(&policy, &link).is_none());
        link.headers_mut().insert(SEC_FETCH_DEST, HeaderValue::from_static("iframe"));
        assert!(refuse_document(&policy, &link).is_some());
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
