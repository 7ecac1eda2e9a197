//! The server's check of a client's request (RFC 6455 section 4.2.1, RFC 8441 section 5).

use std::borrow::Cow;

use http::header::SEC_WEBSOCKET_KEY;
use http::{HeaderMap, Method, Uri, Version};

use super::authority::{Authority, default_port};
use super::error::HandshakeError;
use super::head::RequestHead;
use super::key::Key;
use super::request_values::{bearer_token, cookie, query_parameter, visible};
use super::subprotocol;
use crate::excerpt::excerpt;
use crate::extension::Extension;
use crate::token::{list, list_has};

/// The WebSocket version of RFC 6455 (section 4.1).
pub(super) const VERSION: &str = "13";

/// A request that obeys all rules of the opening handshake, borrowed from its head.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    target: &'a str,
    host: &'a str,
    over_http2: bool,
    key: Option<Key>,
    origin: Option<&'a str>,
    subprotocols: Vec<&'a str>,
    extensions: Vec<Extension<'a>>,
    headers: Headers<'a>,
}

impl<'a> Request<'a> {
    /// Checks a head that was parsed from bytes.
    ///
    /// A request that announces content is refused: the bytes after the head would be parsed as
    /// frames.
    ///
    /// # Errors
    /// The first rule that the request breaks. Answer it with [`Refusal::from`](super::Refusal).
    pub fn from_head(head: &'a RequestHead<'a>) -> Result<Self, HandshakeError> {
        check_method(head.method)?;
        let mut fields = Fields::default();
        for (name, value) in head.headers() {
            fields.feed(name, value)?;
        }
        let target = match head.target.split_once("://") {
            Some((scheme, rest)) if !head.target.starts_with('/') => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                Target { scheme_and_authority: Some((scheme, authority)), path }
            }
            _ => Target { scheme_and_authority: None, path: head.target },
        };
        fields.finish(target, Headers::Parsed(head))
    }

    /// Checks the head of an HTTP library's HTTP/1.1 request by the same rules.
    ///
    /// # Errors
    /// The errors of [`from_head`](Self::from_head).
    pub fn from_http(
        method: &Method,
        version: Version,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Result<Self, HandshakeError> {
        check_method(method.as_str())?;
        if version != Version::HTTP_11 {
            return Err(HandshakeError::HttpVersion { version: format!("{version:?}") });
        }
        let mut fields = Fields::default();
        for (name, value) in headers {
            fields.feed(name.as_str(), value.as_bytes())?;
        }
        fields.finish(Target::of(uri), Headers::Map(headers))
    }

    /// Checks the head of an HTTP library's HTTP/2 request: an extended CONNECT whose `:protocol`
    /// pseudo-header is `websocket` (RFC 8441 section 5). Rules that do not depend on the version
    /// of HTTP are the same.
    ///
    /// # Errors
    /// The first rule that the request breaks, which may be
    /// [`NotConnect`](HandshakeError::NotConnect),
    /// [`ProtocolNotWebSocket`](HandshakeError::ProtocolNotWebSocket) or
    /// [`ConnectionHeader`](HandshakeError::ConnectionHeader). Answer it with
    /// [`Refusal::from`](super::Refusal).
    pub fn from_http2(
        method: &Method,
        protocol: Option<&[u8]>,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Result<Self, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc8441#section-5
        //# This request replaces the GET-based request in [RFC6455] and is
        //# used to process the WebSockets opening handshake.
        if method != Method::CONNECT {
            return Err(HandshakeError::NotConnect { method: excerpt(method.as_str()) });
        }
        //= https://www.rfc-editor.org/rfc/rfc8441#section-5
        //# The :protocol pseudo-header field MUST be included in the CONNECT
        //# request, and it MUST have a value of "websocket" to initiate a
        //# WebSocket connection on an HTTP/2 stream.
        match protocol {
            Some(b"websocket") => {}
            Some(other) => {
                return Err(HandshakeError::ProtocolNotWebSocket { protocol: excerpt(other) });
            }
            None => return Err(HandshakeError::MissingHeader { name: ":protocol" }),
        }
        let mut fields = Fields::default();
        for (name, value) in headers {
            //= https://www.rfc-editor.org/rfc/rfc8441#section-5
            //# Implementations using this extended CONNECT to bootstrap WebSockets
            //# do not do the processing of the Sec-WebSocket-Key and
            //# Sec-WebSocket-Accept header fields of [RFC6455] as that
            //# functionality has been superseded by the :protocol pseudo-header
            //# field.
            if name != SEC_WEBSOCKET_KEY {
                fields.feed(name.as_str(), value.as_bytes())?;
            }
        }
        fields.finish_connect(Target::of(uri), Headers::Map(headers), answerable_key(headers))
    }

    /// Returns the requested path and query, as received.
    pub const fn target(&self) -> &'a str {
        self.target
    }

    /// Returns the path without the query: `/` for the target `?query`, which results from a URL
    /// without a path.
    pub fn path(&self) -> &'a str {
        match self.target.split_once('?') {
            Some(("", _)) => "/",
            Some((path, _)) => path,
            None => self.target,
        }
    }

    /// Returns the query without its question mark, as received.
    pub fn raw_query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Returns the value of the first query parameter with this name, decoded as a form encodes it.
    /// `None` when the parameter is missing, or not UTF-8 after decoding. Proxies and servers may
    /// log the query.
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        query_parameter(self.raw_query()?, name)
    }

    /// Returns the token of an `Authorization: Bearer` header (RFC 6750 section 2.1). Browsers
    /// cannot send this header with a WebSocket: their alternatives are cookies, a subprotocol that
    /// carries the token, and the query.
    pub fn bearer_token(&self) -> Option<&'a str> {
        bearer_token(self.header("Authorization")?)
    }

    /// Returns the value of the first cookie with this case-sensitive name (RFC 6265 section 5.4).
    /// Quotes around the value are part of it.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let mut headers =
            self.headers().filter(|(header, _)| header.eq_ignore_ascii_case("Cookie"));
        headers.find_map(|(_, cookies)| cookie(cookies, name))
    }

    /// Returns the Host header, or over HTTP/2 the `:authority` pseudo-header: a host and an
    /// optional port.
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// Returns the Origin header, which browsers send.
    pub const fn origin(&self) -> Option<&'a str> {
        self.origin
    }

    /// Returns the requested subprotocols, in the client's order of preference.
    pub fn subprotocols(&self) -> &[&'a str] {
        &self.subprotocols
    }

    /// Returns the offered extensions, in the client's order of preference.
    pub fn extensions(&self) -> &[Extension<'a>] {
        &self.extensions
    }

    /// Returns the client's key; `None` when the request came over HTTP/2 without exactly one valid
    /// key. Over HTTP/2, proxies that translate between versions of HTTP send a key, and so do some
    /// clients.
    pub const fn key(&self) -> Option<Key> {
        self.key
    }

    /// Returns whether the request is an extended CONNECT of HTTP/2.
    pub(super) const fn is_over_http2(&self) -> bool {
        self.over_http2
    }

    /// Returns the value of the first header of this name, which is case-insensitive.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        match self.headers {
            Headers::Parsed(head) => head
                .headers()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|pair| pair.1),
            Headers::Map(map) => map.get(name).map(http::HeaderValue::as_bytes),
        }
    }

    /// Returns all headers with their values.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let (parsed, map) = match self.headers {
            Headers::Parsed(head) => (Some(head.headers()), None),
            Headers::Map(map) => (None, Some(map.iter())),
        };
        let from_map =
            map.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_bytes()));
        parsed.into_iter().flatten().chain(from_map)
    }
}

/// The source of all headers of a request, including those of the handshake.
#[derive(Clone, Copy, Debug)]
enum Headers<'a> {
    Parsed(&'a RequestHead<'a>),
    Map(&'a HeaderMap),
}

/// The target of a request.
#[derive(Clone, Copy)]
struct Target<'a> {
    /// The scheme and the authority, if the target is a URL.
    scheme_and_authority: Option<(&'a str, &'a str)>,
    path: &'a str,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Self {
        let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let scheme_and_authority = uri.authority().map(|authority| {
            // The target of CONNECT over HTTP/1.1 is an authority alone, without a scheme.
            (uri.scheme_str().unwrap_or_default(), authority.as_str())
        });
        Self { scheme_and_authority, path }
    }

    /// Returns the requested host, and the path and query on it.
    fn resolve(self, host: &'a str) -> Result<(&'a str, &'a str), HandshakeError> {
        let Some(authority) = Authority::parse(host) else {
            return Err(HandshakeError::Host { host: excerpt(host) });
        };
        Ok((host, self.path_on(authority)?))
    }

    /// Returns the path and query, if the target is a path or a URL of this host.
    fn path_on(self, host: Authority<'_>) -> Result<&'a str, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
        //# should be interpreted as a /resource name/
        //# defined in Section 3 (or an absolute HTTP/HTTPS URI containing
        //# the /resource name/).
        match self.scheme_and_authority {
            None if self.path.starts_with('/') => Ok(self.path),
            None => Err(HandshakeError::Target { target: excerpt(self.path) }),
            Some((scheme, authority)) => {
                let requested = default_port(scheme).zip(Authority::parse(authority));
                match requested {
                    Some((default, requested)) if requested.is_same(host, default) => {
                        match self.path {
                            "" => Ok("/"),
                            path if path.starts_with(['/', '?']) => Ok(path),
                            path => Err(HandshakeError::Target { target: excerpt(path) }),
                        }
                    }
                    _ => Err(HandshakeError::Target { target: excerpt(authority) }),
                }
            }
        }
    }
}

fn check_method(method: &str) -> Result<(), HandshakeError> {
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    //# The method of the request MUST be GET, and the HTTP version MUST
    //# be at least 1.1.
    if method == "GET" { Ok(()) } else { Err(HandshakeError::Method { method: excerpt(method) }) }
}

/// The headers that the handshake needs, collected one at a time.
#[derive(Default)]
struct Fields<'a> {
    upgrade: ListField<'a>,
    connection: ListField<'a>,
    host: Option<&'a str>,
    key: Option<&'a str>,
    terms: TermFields<'a>,
}

/// The headers that HTTP/2 requests for WebSockets have as well (RFC 8441 section 5).
#[derive(Default)]
struct TermFields<'a> {
    version: Option<&'a str>,
    origin: Option<&'a str>,
    subprotocols: Vec<&'a str>,
    extensions: Vec<&'a str>,
}

/// The search for one element in a list header.
#[derive(Default)]
struct ListField<'a> {
    last: Option<&'a str>,
    found: bool,
}

impl<'a> ListField<'a> {
    fn feed(&mut self, value: &'a str, wanted: &str) {
        self.last = Some(value);
        self.found |= list_has(value, wanted);
    }
}

impl<'a> Fields<'a> {
    fn feed(&mut self, name: &str, value: &'a [u8]) -> Result<(), HandshakeError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Host") {
            set_once(&mut self.host, "Host", value)
        } else if is("Upgrade") {
            self.upgrade.feed(text("Upgrade", value)?, "websocket");
            Ok(())
        } else if is("Connection") {
            self.connection.feed(text("Connection", value)?, "upgrade");
            Ok(())
        } else if is("Sec-WebSocket-Key") {
            set_once(&mut self.key, "Sec-WebSocket-Key", value)
        } else if is("Transfer-Encoding") || (is("Content-Length") && value != b"0") {
            Err(HandshakeError::Content)
        } else {
            self.terms.feed(name, value)
        }
    }

    fn finish(
        self,
        target: Target<'a>,
        headers: Headers<'a>,
    ) -> Result<Request<'a>, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
        //# A |Host| header field containing the server's authority.
        let host = self.host.ok_or(HandshakeError::MissingHeader { name: "Host" })?;
        let (host, target) = target.resolve(host)?;
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
        //# An |Upgrade| header field containing the value "websocket",
        //# treated as an ASCII case-insensitive value.
        if !self.upgrade.found {
            return Err(match self.upgrade.last {
                Some(value) => HandshakeError::UpgradeNotWebSocket { value: excerpt(value) },
                None => HandshakeError::MissingHeader { name: "Upgrade" },
            });
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
        //# A |Connection| header field that includes the token "Upgrade",
        //# treated as an ASCII case-insensitive value.
        if !self.connection.found {
            return Err(match self.connection.last {
                Some(value) => HandshakeError::ConnectionNotUpgrade { value: excerpt(value) },
                None => HandshakeError::MissingHeader { name: "Connection" },
            });
        }
        // The version is checked first: a client of another version may have no key.
        let (origin, subprotocols, extensions) = self.terms.finish()?;
        let key = self.key.ok_or(HandshakeError::MissingHeader { name: "Sec-WebSocket-Key" })?;
        let Some(key) = Key::parse(key) else {
            return Err(HandshakeError::Key { key: excerpt(key) });
        };
        let (over_http2, key) = (false, Some(key));
        Ok(Request { target, host, over_http2, key, origin, subprotocols, extensions, headers })
    }

    /// Checks an extended CONNECT, as `finish` checks an upgrade.
    fn finish_connect(
        self,
        target: Target<'a>,
        headers: Headers<'a>,
        key: Option<Key>,
    ) -> Result<Request<'a>, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc8441#section-5
        //# The Host information is conveyed as part of the :authority
        //# pseudo-header field, which is required on every HTTP/2 transaction.
        let Some((_, authority)) = target.scheme_and_authority else {
            return Err(HandshakeError::MissingHeader { name: ":authority" });
        };
        // An intermediary may have kept the Host header as well; both must name the same host then.
        let (host, target) = target.resolve(self.host.unwrap_or(authority))?;
        //= https://www.rfc-editor.org/rfc/rfc8441#section-5
        //# [RFC6455] requires the use of Connection and Upgrade header
        //# fields that are not part of HTTP/2.  They MUST NOT be included in
        //# the CONNECT request defined here.
        for (name, field) in [("Upgrade", &self.upgrade), ("Connection", &self.connection)] {
            if field.last.is_some() {
                return Err(HandshakeError::ConnectionHeader { name });
            }
        }
        //= https://www.rfc-editor.org/rfc/rfc8441#section-5
        //# The Origin [RFC6454], Sec-WebSocket-Version, Sec-WebSocket-Protocol,
        //# and Sec-WebSocket-Extensions header fields are used in the CONNECT
        //# request and response header fields as defined in [RFC6455].
        let (origin, subprotocols, extensions) = self.terms.finish()?;
        let over_http2 = true;
        Ok(Request { target, host, over_http2, key, origin, subprotocols, extensions, headers })
    }
}

/// Returns the key of an extended CONNECT, if the request has exactly one that is valid. RFC 8441
/// does not use the key, but a proxy that translates to or from HTTP/1.1 needs the answer to it,
/// which its HTTP/1.1 side requires.
fn answerable_key(headers: &HeaderMap) -> Option<Key> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.to_str().ok().and_then(Key::parse),
        _ => None,
    }
}

/// The origin, subprotocols and extensions.
type Terms<'a> = (Option<&'a str>, Vec<&'a str>, Vec<Extension<'a>>);

impl<'a> TermFields<'a> {
    fn feed(&mut self, name: &str, value: &'a [u8]) -> Result<(), HandshakeError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Sec-WebSocket-Version") {
            set_once(&mut self.version, "Sec-WebSocket-Version", value)?;
        } else if is("Origin") {
            set_once(&mut self.origin, "Origin", value)?;
        } else if is("Sec-WebSocket-Protocol") {
            self.feed_subprotocols(text("Sec-WebSocket-Protocol", value)?)?;
        } else if is("Sec-WebSocket-Extensions") {
            self.extensions.push(text("Sec-WebSocket-Extensions", value)?);
        }
        Ok(())
    }

    fn feed_subprotocols(&mut self, value: &'a str) -> Result<(), HandshakeError> {
        for subprotocol in list(value) {
            subprotocol::check(&self.subprotocols, subprotocol)?;
            self.subprotocols.push(subprotocol);
        }
        Ok(())
    }

    fn finish(self) -> Result<Terms<'a>, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
        //# A |Sec-WebSocket-Version| header field, with a value of 13.
        let missing = HandshakeError::MissingHeader { name: "Sec-WebSocket-Version" };
        let version = self.version.ok_or(missing)?;
        if version != VERSION {
            return Err(HandshakeError::WebSocketVersion { version: excerpt(version) });
        }
        Ok((self.origin, self.subprotocols, Extension::parse_list(self.extensions)?))
    }
}

/// Stores the value of a header that must not be repeated.
pub(super) fn set_once<'a>(
    slot: &mut Option<&'a str>,
    name: &'static str,
    value: &'a [u8],
) -> Result<(), HandshakeError> {
    match slot.replace(text(name, value)?) {
        None => Ok(()),
        Some(_) => Err(HandshakeError::DuplicateHeader { name }),
    }
}

/// Returns a header's value as text: visible ASCII, spaces and tabs.
pub(super) fn text<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a str, HandshakeError> {
    visible(value).ok_or(HandshakeError::HeaderNotText { name })
}

#[cfg(test)]
mod http2_tests;
#[cfg(test)]
mod tests;
