//! The environment of a process: the request as CGI variables (RFC 3875), as websocketd sets them.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};

use super::access;

/// The prefix of variables that hold a header.
const HEADER_PREFIX: &str = "HTTP_";

/// The request of a client.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) version: Version,
    pub(super) is_tls: bool,
}

/// Returns the variables of a process for a client.
pub(super) fn variables(request: &Request, peer: Option<SocketAddr>) -> Vec<(String, OsString)> {
    let uri = &request.uri;
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().cloned().or_else(|| host?.parse::<Authority>().ok());
    let (name, port) = match &authority {
        Some(authority) => (authority.host(), authority.port_u16()),
        None => ("", None),
    };
    let port = port.unwrap_or(if request.is_tls { 443 } else { 80 });
    let path_and_query = uri.path_and_query().map_or("/", |target| target.as_str());
    let address = peer.map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default();
    let fixed = [
        ("GATEWAY_INTERFACE", "CGI/1.1".to_owned()),
        ("SERVER_SOFTWARE", concat!("sockeye/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("SERVER_PROTOCOL", format!("{:?}", request.version)),
        ("SERVER_NAME", name.to_owned()),
        ("SERVER_PORT", port.to_string()),
        ("REQUEST_METHOD", "GET".to_owned()),
        ("REQUEST_URI", path_and_query.to_owned()),
        ("SCRIPT_NAME", String::new()),
        ("PATH_INFO", uri.path().to_owned()),
        ("QUERY_STRING", uri.query().unwrap_or_default().to_owned()),
        ("REMOTE_ADDR", address.clone()),
        ("REMOTE_HOST", address),
        ("REMOTE_PORT", peer.map(|peer| peer.port().to_string()).unwrap_or_default()),
    ];
    let mut variables: Vec<(String, OsString)> =
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    if request.is_tls {
        variables.push(("HTTPS".to_owned(), "on".into()));
    }
    variables.extend(request.headers.keys().filter_map(|name| header(name, &request.headers)));
    variables
}

/// Returns the variable of a header, if the process gets it.
fn header(name: &HeaderName, headers: &HeaderMap) -> Option<(String, OsString)> {
    // `Proxy` would become HTTP_PROXY, which programs take for the address of their proxy
    // (httpoxy). A name with an underscore would pass for that with a hyphen. Credentials are for
    // this program.
    let is_secret = *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION;
    if is_secret || name == "proxy" || name.as_str().contains('_') {
        return None;
    }
    let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let value = if *name == COOKIE {
        let pairs: Vec<_> = values.map(access::without_token).filter(|it| !it.is_empty()).collect();
        if pairs.is_empty() {
            return None;
        }
        pairs.join(&b"; "[..])
    } else {
        values.collect::<Vec<_>>().join(&b", "[..])
    };
    let variable = name.as_str().to_ascii_uppercase().replace('-', "_");
    Some((format!("{HEADER_PREFIX}{variable}"), OsStr::from_bytes(&value).to_owned()))
}

/// Returns whether a variable of this program's own environment is kept from the process: headers
/// of another request, if this program is itself started by a server, the token of a client, and
/// what the service manager or a replaced process has told this program. The operator's proxy is
/// passed on.
pub(super) fn is_withheld(name: &OsStr) -> bool {
    const OWN: [&[u8]; 9] = [
        b"HTTPS",
        b"SOCKEYE_TOKEN",
        b"SOCKEYE_HANDOVER",
        b"NOTIFY_SOCKET",
        b"WATCHDOG_PID",
        b"WATCHDOG_USEC",
        b"LISTEN_PID",
        b"LISTEN_FDS",
        b"LISTEN_FDNAMES",
    ];

    let name = name.as_bytes();
    (name.starts_with(HEADER_PREFIX.as_bytes()) && name != b"HTTP_PROXY") || OWN.contains(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn of(uri: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let request = Request {
            uri: uri.parse().unwrap(),
            headers,
            version: Version::HTTP_11,
            is_tls: false,
        };
        let peer = Some("[::ffff:192.0.2.7]:4711".parse().unwrap());
        let variables = variables(&request, peer).into_iter();
        variables.map(|(name, value)| (name, value.into_string().unwrap())).collect()
    }

    #[test]
    fn the_process_does_not_speak_for_this_program() {
        for name in ["SOCKEYE_HANDOVER", "NOTIFY_SOCKET", "WATCHDOG_USEC", "HTTP_COOKIE"] {
            assert!(is_withheld(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HTTP_PROXY", "SOCKEYE_BUS"] {
            assert!(!is_withheld(OsStr::new(name)), "{name}");
        }
    }

    fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
        variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_request_is_described_by_variables() {
        let variables = of(
            "/a/b%20c?x=1;rm&y",
            &[("host", "example.com:81"), ("x-a", "1"), ("x-a", "2"), ("user-agent", "test")],
        );
        for (name, expected) in [
            ("REMOTE_ADDR", "192.0.2.7"),
            ("REMOTE_PORT", "4711"),
            ("SERVER_NAME", "example.com"),
            ("SERVER_PORT", "81"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("PATH_INFO", "/a/b%20c"),
            ("QUERY_STRING", "x=1;rm&y"),
            ("REQUEST_URI", "/a/b%20c?x=1;rm&y"),
            ("HTTP_X_A", "1, 2"),
            ("HTTP_USER_AGENT", "test"),
        ] {
            assert_eq!(value(&variables, name), Some(expected), "{name}");
        }
        assert_eq!(value(&variables, "HTTPS"), None);
    }

    #[test]
    fn a_header_sets_no_proxy_and_passes_no_secret_on() {
        let variables = of(
            "/",
            &[
                ("proxy", "http://evil.example"),
                ("authorization", "Bearer secret"),
                ("x_forwarded_for", "203.0.113.9"),
                ("cookie", "a=1; sockeye-exec=secret; b=2"),
                ("cookie", "sockeye-exec=secret"),
            ],
        );
        assert_eq!(value(&variables, "HTTP_PROXY"), None);
        assert_eq!(value(&variables, "HTTP_AUTHORIZATION"), None);
        assert_eq!(value(&variables, "HTTP_X_FORWARDED_FOR"), None);
        assert_eq!(value(&variables, "HTTP_COOKIE"), Some("a=1; b=2"));
    }
}
