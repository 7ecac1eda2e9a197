//! The names of headers with a meaning of their own.

use http::{HeaderMap, HeaderName, header};

/// Names that are never metadata in a request, beside those that begin with
/// [`REQUEST_PREFIXES`]: those of the connection, of the content, and of the dialects.
const REQUEST_NAMES: [&str; 24] = [
    "accept",
    "accept-encoding",
    "connect-accept-encoding",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-grpc-web",
    "x-server-timeout",
];

const REQUEST_PREFIXES: [&str; 3] = ["access-control-", "grpc-", "sec-"];

/// Names that are never headers of a response, beside those that begin with
/// [`RESPONSE_PREFIXES`].
const RESPONSE_NAMES: [&str; 16] = [
    "connect-accept-encoding",
    "connect-content-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
];

/// The gateway decides which origins may read a response, not the upstream.
const RESPONSE_PREFIXES: [&str; 3] = ["access-control-", "grpc-", "sec-"];

/// Names that describe the way of a request through proxies, beside `x-forwarded-*`.
const FORWARDING_NAMES: [&str; 4] = ["forwarded", "true-client-ip", "via", "x-real-ip"];

/// Names of IANA's registry that grpc-gateway passes on with a prefix. `host` is not one of them,
/// as Go keeps it apart from the headers.
const PERMANENT_NAMES: [&str; 23] = [
    "accept",
    "accept-charset",
    "accept-language",
    "accept-ranges",
    "authorization",
    "cache-control",
    "content-type",
    "cookie",
    "date",
    "expect",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-schedule-tag-match",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "via",
    "warning",
];

pub(super) fn is_never_request_metadata(name: &HeaderName) -> bool {
    is_in(name, &REQUEST_NAMES, &REQUEST_PREFIXES)
}

pub(super) fn is_never_response_header(name: &HeaderName) -> bool {
    is_in(name, &RESPONSE_NAMES, &RESPONSE_PREFIXES)
}

/// Reports whether a header describes the way of a request through proxies.
pub(crate) fn is_forwarding(name: &HeaderName) -> bool {
    is_in(name, &FORWARDING_NAMES, &["x-forwarded-"])
}

pub(super) fn is_permanent(name: &HeaderName) -> bool {
    is_in(name, &PERMANENT_NAMES, &[])
}

/// Returns the names that the header `connection` lists: they end at the gateway (RFC 9110 section
/// 7.6.1).
pub(super) fn connection_names(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// Most names have another length than those of the lists, so that a search from one end compares
/// fewer bytes than a binary search.
fn is_in(name: &HeaderName, names: &[&str], prefixes: &[&str]) -> bool {
    let name = name.as_str();
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_lists_names_in_any_case_and_spacing() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, "keep-alive , X-A".parse().unwrap());
        headers.append(header::CONNECTION, "x-b,,\"x\"".parse().unwrap());
        assert_eq!(connection_names(&headers), ["keep-alive", "x-a", "x-b"]);
    }
}
