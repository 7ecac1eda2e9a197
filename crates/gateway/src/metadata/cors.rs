use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue};

/// Returns the value of `Access-Control-Expose-Headers` for a response: the names of its headers,
/// and `grpc-status`, `grpc-message` and `grpc-status-details-bin`.
///
/// Without it, a page of another origin reads neither the status nor the metadata of a response.
pub fn exposed_headers(headers: &HeaderMap) -> HeaderValue {
    let mut names: BTreeSet<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.extend(["grpc-message", "grpc-status", "grpc-status-details-bin"]);
    // The browser never shows this one, whatever is exposed.
    names.remove("set-cookie");
    let list = names.into_iter().collect::<Vec<_>>().join(", ");
    // Header names and commas are always a header value.
    HeaderValue::from_str(&list).unwrap_or(HeaderValue::from_static("grpc-status"))
}
