//! An owned copy of a request with the client's address, for asynchronous hooks.

use std::borrow::Cow;
use std::net::SocketAddr;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use sockeye_proto::handshake::{self, Refusal, Request};

/// A request for a WebSocket that obeys the rules of the handshake and comes from an allowed
/// origin: its head, and the client's address. [`Upgrader::admit`](super::Upgrader::admit) passes
/// it to its hook, and [`WebSocket::request`](crate::WebSocket::request) returns it where requests
/// are kept.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    uri: Uri,
    headers: HeaderMap,
    subprotocols: Vec<String>,
    peer: Option<SocketAddr>,
}

impl UpgradeRequest {
    /// Copies a request, which borrows from its buffer.
    pub(super) fn new(request: &Request<'_>, peer: Option<SocketAddr>) -> Result<Self, Refusal> {
        let uri = Uri::try_from(request.target())
            .map_err(|_| Refusal::bad_request("the target is not a URI\n"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers() {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => headers.append(name, value),
                _ => return Err(Refusal::bad_request("a header is malformed\n")),
            };
        }
        let subprotocols = request.subprotocols().iter().map(|&name| name.to_owned()).collect();
        Ok(Self { uri, headers, subprotocols, peer })
    }

    /// Returns the method, which is always GET. A request over HTTP/2, whose method is CONNECT, is
    /// reported as GET.
    pub const fn method(&self) -> &Method {
        &Method::GET
    }

    /// Returns the requested path and query.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Returns all headers.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the requested subprotocols, in the client's order of preference.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Returns the client's address, where the transport has one. Behind a proxy, this is the
    /// proxy's address, unless the proxy is [trusted](super::Options::trusted_proxies) to report
    /// the client's.
    pub const fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the token of an `Authorization: Bearer` header (RFC 6750 section 2.1). Browsers
    /// cannot send this header with a WebSocket: their alternatives are cookies, a subprotocol that
    /// carries the token, and the query.
    pub fn bearer_token(&self) -> Option<&str> {
        bearer_token(&self.headers)
    }

    /// Returns the value of the first cookie with this case-sensitive name (RFC 6265 section 5.4).
    /// Quotes around the value are part of it.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie(&self.headers, name)
    }

    /// Returns the value of the first query parameter with this name, decoded as a form encodes it.
    /// `None` when the parameter is missing, or not UTF-8 after decoding. Proxies and servers may
    /// log the query.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        query(&self.uri, name)
    }
}

pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    handshake::bearer_token(headers.get(AUTHORIZATION)?.as_bytes())
}

pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all(COOKIE).iter().find_map(|value| handshake::cookie(value.as_bytes(), name))
}

pub(crate) fn query<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    handshake::query_parameter(uri.query()?, name)
}

#[cfg(test)]
mod tests {
    use sockeye_proto::handshake::{HeadLimits, RequestHead};

    use super::*;

    fn parse(target: &str, extra: &str) -> UpgradeRequest {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{extra}\r\n"
        );
        let head = RequestHead::parse(head.as_bytes(), HeadLimits::default()).unwrap();
        UpgradeRequest::new(&Request::from_head(&head).unwrap(), None).unwrap()
    }

    #[test]
    fn a_bearer_token_is_found_by_its_scheme_in_any_case() {
        let of = |value: &str| {
            let request = parse("/", &format!("Authorization: {value}\r\n"));
            request.bearer_token().map(str::to_owned)
        };
        assert_eq!(of("Bearer a.b-c=").as_deref(), Some("a.b-c="));
        assert_eq!(of("bearer  x").as_deref(), Some("x"));
        assert_eq!(of("Basic x"), None);
        assert_eq!(of("Bearer"), None);
        assert_eq!(parse("/", "").bearer_token(), None);
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let request = parse("/", "Cookie: asid=no; sid=1=2;\tx=3\r\nCookie: late=yes\r\n");
        assert_eq!(request.cookie("sid"), Some("1=2"));
        assert_eq!(request.cookie("x"), Some("3"));
        assert_eq!(request.cookie("late"), Some("yes"));
        assert_eq!(request.cookie("SID"), None);
        assert_eq!(request.cookie("id"), None);
    }

    #[test]
    fn a_parameter_is_decoded() {
        let request = parse("/chat?a=1&access_token=x%2By+z%C3%A9&b&a=2&bad=%ff&odd=%4", "");
        assert_eq!(request.path(), "/chat");
        assert_eq!(request.query("a").as_deref(), Some("1"));
        assert_eq!(request.query("access_token").as_deref(), Some("x+y zé"));
        assert_eq!(request.query("b").as_deref(), Some(""));
        assert_eq!(request.query("bad"), None);
        assert_eq!(request.query("odd").as_deref(), Some("%4"));
        assert_eq!(request.query("c"), None);
        assert_eq!(parse("/chat", "").query("a"), None);
    }

    #[test]
    fn the_head_is_there_as_it_came() {
        let request = parse("/", "Sec-WebSocket-Protocol: a, b\r\nX-Many: 1\r\nx-many: 2\r\n");
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.subprotocols(), ["a", "b"]);
        let many: Vec<_> = request.headers().get_all("x-many").iter().collect();
        assert_eq!(many, ["1", "2"]);
        assert_eq!(request.peer_addr(), None);
    }
}
