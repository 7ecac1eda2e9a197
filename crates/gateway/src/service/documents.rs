//! The documents that the gateway itself serves: the console and the OpenAPI document.

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use sockeye::upgrade::OriginPolicy;

use super::body::{Body, remove_body};
use super::inner::Inner;
use super::{error, origin};
use crate::{console, openapi};

/// The content security policy: the page loads everything from the gateway, and no other page may
/// embed it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     object-src 'none'",
);

impl Inner {
    /// Returns the response to a request of the gateway's own documents, as far as they are served.
    /// A document wins over a route of the same path, except for `/`.
    pub(super) fn document<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let path = request.uri().path();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut response = if self.settings.documents.openapi && path == "/openapi.json" && is_read
        {
            self.openapi(request)
        } else if self.settings.documents.console {
            let name = path.strip_prefix(console::FOLDER);
            match name {
                None if path == "/console" => redirect(StatusCode::PERMANENT_REDIRECT),
                None if path == "/" && is_read && self.leads_to_console(request.headers()) => {
                    redirect(StatusCode::TEMPORARY_REDIRECT)
                }
                None => return None,
                Some(_) if !is_read => {
                    let refusal =
                        error::http(StatusCode::METHOD_NOT_ALLOWED, "this document is only read");
                    error::allow(refusal, HeaderValue::from_static("GET, HEAD"))
                }
                Some(name) => self.console(name, request),
            }
        } else {
            return None;
        };
        if request.method() == Method::HEAD {
            remove_body(&mut response);
        }
        Some(response)
    }

    /// Reports whether a request of `/` is led to the console: no route takes it, and a browser
    /// shows the response as a page. Clients of JSON and of WebSockets do not accept HTML.
    fn leads_to_console(&self, headers: &HeaderMap) -> bool {
        let accept = headers.get(ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
        accept.starts_with(b"text/html")
            && self.catalogs.current().router().find(&Method::GET, "/").is_err()
    }

    fn openapi<B>(&self, request: &Request<B>) -> Response<Body> {
        if let Some(refusal) = origin::refuse_document(&self.settings.origins, request) {
            return refusal;
        }
        let catalog = self.catalogs.current();
        let options = openapi::Options {
            print: &self.settings.print,
            array_streams: self.settings.array_streams,
        };
        let json = catalog.documents().openapi(|| openapi::document(&catalog, &options));
        let mut response = respond("application/json", json);
        origin::Cors::of(request).add(response.headers_mut());
        response
    }

    /// Answers with a file of the console. Pages of other origins read none, whatever the origins
    /// of calls are.
    fn console<B>(&self, name: &str, request: &Request<B>) -> Response<Body> {
        if let Some(refusal) = origin::refuse_document(&OriginPolicy::same_origin(), request) {
            return refusal;
        }
        let mut response = match name {
            "services.json" => {
                let catalog = self.catalogs.current();
                let json = catalog.documents().services(|| console::services(&catalog));
                respond("application/json", json)
            }
            "gateway.json" => {
                let state =
                    console::state(&self.catalogs.states(), self.settings.documents.openapi);
                respond("application/json", state)
            }
            name => match console::asset(name) {
                Some(console::Asset { content_type, body, .. }) => {
                    respond(content_type, Bytes::from_static(body.as_bytes()))
                }
                None => error::http(StatusCode::NOT_FOUND, "the console has no such file"),
            },
        };
        let same_origin = HeaderValue::from_static("same-origin");
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin.clone());
        // An isolated page has a clock of 5 µs instead of 100 µs.
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin);
        headers.insert(
            HeaderName::from_static("cross-origin-embedder-policy"),
            HeaderValue::from_static("require-corp"),
        );
        response
    }
}

/// Returns a redirect to the console, relative to the request: a proxy in front of the gateway may
/// add a prefix.
fn redirect(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("console/"));
    response
}

fn respond(content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
