//! The terms of a server, and its answer to a request (RFC 6455 section 4.2.2, RFC 8441 section 5).

use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Accept, HandshakeError, HostPolicy, Negotiated, OriginPolicy, Request};
use crate::extension::Extension;

/// The terms by which a server accepts requests. The default is any host, the server's own origin,
/// no subprotocol and no extension.
///
/// ```
/// use sockeye_proto::handshake::Terms;
///
/// let terms = Terms::new().subprotocols(["chat.v2", "chat"]);
/// # let _ = terms;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    hosts: HostPolicy,
    origins: OriginPolicy,
    subprotocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Option<crate::deflate::Deflate>,
}

impl Terms {
    /// Creates the default terms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the hosts that the server answers for. Default: [`HostPolicy::any`].
    pub fn hosts(self, hosts: HostPolicy) -> Self {
        Self { hosts, ..self }
    }

    /// Sets the origins that the server accepts. Default: [`OriginPolicy::same_origin`].
    pub fn origins(self, origins: OriginPolicy) -> Self {
        Self { origins, ..self }
    }

    /// Sets the subprotocols that the server supports, in its order of preference. Default: none.
    ///
    /// The server chooses the first of these that the client requested, regardless of the client's
    /// order; names are case-sensitive. Without a match the connection has no subprotocol, and the
    /// client decides whether to accept that (RFC 6455 section 4.2.2).
    pub fn subprotocols<S: Into<String>>(self, subprotocols: impl IntoIterator<Item = S>) -> Self {
        Self { subprotocols: subprotocols.into_iter().map(Into::into).collect(), ..self }
    }

    /// Accepts permessage-deflate where the client offers it. Default: off.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: crate::deflate::Deflate) -> Self {
        Self { deflate: Some(deflate), ..self }
    }

    /// Returns the policy for origins.
    pub const fn origin_policy(&self) -> &OriginPolicy {
        &self.origins
    }

    /// Returns the answer to a request.
    ///
    /// # Errors
    /// [`HandshakeError::HostRefused`] or [`HandshakeError::OriginRefused`].
    pub fn answer(&self, request: &Request<'_>) -> Result<Response, HandshakeError> {
        self.hosts.check_request(request)?;
        self.origins.check(request)?;
        let subprotocol = self
            .subprotocols
            .iter()
            .find(|spoken| request.subprotocols().contains(&spoken.as_str()))
            .cloned();
        let negotiated = Negotiated { subprotocol, ..Negotiated::default() };
        let mut response = Response {
            over_http2: request.is_over_http2(),
            accept: request.key().map(|key| key.accept()),
            negotiated,
            headers: HeaderMap::new(),
        };
        self.agree_on_extensions(request, &mut response);
        Ok(response)
    }

    #[cfg(feature = "deflate")]
    fn agree_on_extensions(&self, request: &Request<'_>, response: &mut Response) {
        let Some(deflate) = &self.deflate else { return };
        if let Some((parameters, answer)) = deflate.accept(request.extensions()) {
            response.negotiated.deflate = Some((deflate.clone(), parameters));
            response.negotiated.extensions = Some(answer.to_string());
        }
    }

    #[cfg(not(feature = "deflate"))]
    #[allow(clippy::unused_self, reason = "the twin of the method with an extension to agree on")]
    fn agree_on_extensions(&self, _: &Request<'_>, _: &mut Response) {}
}

/// The answer that upgrades a connection, or opens a WebSocket on an HTTP/2 stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    over_http2: bool,
    /// The proof of having read the request's key, if the request had one: over HTTP/2 most do not.
    accept: Option<Accept>,
    negotiated: Negotiated,
    headers: HeaderMap,
}

impl Response {
    /// Returns the negotiated subprotocol and extensions.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Returns the negotiated subprotocol and extensions, without a copy.
    pub fn into_negotiated(self) -> Negotiated {
        self.negotiated
    }

    /// Adds headers, such as cookies. Headers that the handshake itself sets, or that would give
    /// the answer content, are left out.
    pub fn extend(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            if !is_reserved_header(name) {
                self.headers.append(name.clone(), value.clone());
            }
        }
    }

    /// Replaces the subprotocol that [`Terms`] chose, for a server that decides by more than
    /// preference. Returns whether the client requested `subprotocol`; if not, nothing changes.
    pub fn choose_subprotocol(&mut self, request: &Request<'_>, subprotocol: &str) -> bool {
        let requested = request.subprotocols().contains(&subprotocol);
        if requested {
            self.negotiated.subprotocol = Some(subprotocol.to_owned());
        }
        requested
    }

    /// Agrees to an extension that the program implements itself, in place of those that [`Terms`]
    /// agreed to. Returns whether the client offered an extension of that name; if not, nothing
    /// changes.
    ///
    /// The program must handle the extension's frames by hand: a [`Connection`](crate::Connection)
    /// implements permessage-deflate only, and refuses any other use of the reserved bits.
    pub fn choose_extension(&mut self, request: &Request<'_>, extension: &Extension<'_>) -> bool {
        let offered = request.extensions().iter().any(|offer| offer.name() == extension.name());
        if offered {
            let subprotocol = self.negotiated.subprotocol.take();
            let extensions = Some(extension.to_string());
            self.negotiated = Negotiated { subprotocol, extensions, ..Negotiated::default() };
        }
        offered
    }

    /// Returns the status: 101, or 200 where the request came over HTTP/2.
    pub const fn status(&self) -> StatusCode {
        if self.over_http2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS }
    }

    /// Appends the answer to `out` as an HTTP/1.1 head. Over HTTP/2, an HTTP library sends the
    /// answer: use [`status`](Self::status) and [`to_headers`](Self::to_headers).
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.over_http2 {
            b"HTTP/1.1 200 OK\r\n"
        } else {
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n"
        });
        if let Some(accept) = &self.accept {
            line(out, "Sec-WebSocket-Accept", accept.as_str().as_bytes());
        }
        if let Some(subprotocol) = &self.negotiated.subprotocol {
            line(out, "Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        if let Some(extensions) = &self.negotiated.extensions {
            line(out, "Sec-WebSocket-Extensions", extensions.as_bytes());
        }
        for (name, value) in &self.headers {
            line(out, name.as_str(), value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Returns all headers of the answer, for an HTTP library.
    pub fn to_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if !self.over_http2 {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        if let Some(accept) = &self.accept {
            headers.insert(SEC_WEBSOCKET_ACCEPT, of_tokens(accept.as_str()));
        }
        if let Some(subprotocol) = &self.negotiated.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, of_tokens(subprotocol));
        }
        if let Some(extensions) = &self.negotiated.extensions {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, of_tokens(extensions));
        }
        headers
    }
}

/// Creates a header value from tokens, base64 or extensions, all of which are visible ASCII.
fn of_tokens(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("tokens, base64 and extensions are visible ASCII")
}

/// Returns whether the opening handshake sets the header itself, or the header would change where
/// frames begin.
///
/// [`ClientRequest::add_header`](super::ClientRequest::add_header) refuses these headers, and a
/// [`Response`] leaves them out. A proxy that forwards the headers of a request skips them.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    [
        UPGRADE,
        CONNECTION,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_EXTENSIONS,
        SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION,
    ]
    .contains(name)
}

/// Appends one header line.
pub(super) fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use http::header::SET_COOKIE;

    use super::*;
    use crate::handshake::{HeadLimits, RequestHead};

    fn with_request<T>(extra: &str, test: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!(
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{extra}\r\n"
        );
        let head = RequestHead::parse(head.as_bytes(), HeadLimits::default()).unwrap();
        test(&Request::from_head(&head).unwrap())
    }

    fn encoded(response: &Response) -> String {
        let mut out = Vec::new();
        response.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The example of RFC 6455 section 1.2.
    #[test]
    fn the_answer_to_the_rfcs_request_is_the_rfcs() {
        with_request("Sec-WebSocket-Protocol: chat, superchat\r\n", |request| {
            let response = Terms::new().subprotocols(["chat"]).answer(request).unwrap();
            assert_eq!(
                encoded(&response),
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                 Sec-WebSocket-Protocol: chat\r\n\r\n"
            );
        });
    }

    #[test]
    fn the_servers_order_chooses_the_subprotocol() {
        with_request("Sec-WebSocket-Protocol: a, b\r\n", |request| {
            let chosen = |spoken: &[&str]| {
                let terms = Terms::new().subprotocols(spoken.iter().copied());
                terms.answer(request).unwrap().into_negotiated().subprotocol
            };
            assert_eq!(chosen(&["c", "b", "a"]).as_deref(), Some("b"));
            assert_eq!(chosen(&["A", "c"]), None);
            assert_eq!(chosen(&[]), None);
            let mut response = Terms::new().subprotocols(["a"]).answer(request).unwrap();
            assert!(!response.choose_subprotocol(request, "c"));
            assert!(response.choose_subprotocol(request, "b"));
            assert_eq!(response.to_headers()[SEC_WEBSOCKET_PROTOCOL], "b");
        });
    }

    #[test]
    fn headers_of_ones_own_are_added_and_reserved_ones_left_out() {
        with_request("", |request| {
            let mut response = Terms::new().answer(request).unwrap();
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
            headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
            headers.append(CONTENT_LENGTH, HeaderValue::from_static("5"));
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("x"));
            response.extend(&headers);
            let text = encoded(&response);
            assert!(text.ends_with("set-cookie: a=1\r\nset-cookie: b=2\r\n\r\n"), "{text}");
            assert!(!text.contains("content-length") && !text.contains("Protocol: x"), "{text}");
            let all = response.to_headers();
            assert_eq!(all.len(), 5);
            assert_eq!(all[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        });
    }

    #[test]
    fn another_origin_is_refused() {
        with_request("Origin: https://evil.test\r\n", |request| {
            assert_eq!(
                Terms::new().answer(request),
                Err(HandshakeError::OriginRefused {
                    origin: "https://evil.test".into(),
                    host: "server.example.com".into(),
                })
            );
            assert!(Terms::new().origins(OriginPolicy::any()).answer(request).is_ok());
        });
    }

    #[test]
    fn a_host_that_is_not_ours_is_refused_though_the_origin_agrees() {
        with_request("Origin: https://server.example.com\r\n", |request| {
            let terms = Terms::new().hosts(HostPolicy::loopback());
            let refused = HandshakeError::HostRefused { host: "server.example.com".into() };
            assert_eq!(terms.answer(request), Err(refused));
            let known = HostPolicy::loopback().allow("*.example.com").unwrap();
            assert!(Terms::new().hosts(known).answer(request).is_ok());
        });
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn compression_is_agreed_on_only_when_both_want_it() {
        use crate::deflate::Deflate;
        with_request("Sec-WebSocket-Extensions: x, permessage-deflate\r\n", |request| {
            let response = Terms::new().deflate(Deflate::new()).answer(request).unwrap();
            assert!(
                encoded(&response).contains("Sec-WebSocket-Extensions: permessage-deflate\r\n")
            );
            assert!(response.negotiated().deflate.is_some());
            let response = Terms::new().answer(request).unwrap();
            assert!(!encoded(&response).contains("Extensions"));
        });
        with_request("", |request| {
            let response = Terms::new().deflate(Deflate::new()).answer(request).unwrap();
            assert_eq!(response.negotiated(), &Negotiated::default());
        });
    }

    #[test]
    fn an_extension_of_the_programs_own_takes_the_place_of_others() {
        with_request("Sec-WebSocket-Extensions: x; a=1, permessage-deflate\r\n", |request| {
            let terms = Terms::new();
            #[cfg(feature = "deflate")]
            let terms = terms.deflate(crate::deflate::Deflate::new());
            let mut response = terms.answer(request).unwrap();
            let before = response.clone();
            let [y, x] = &Extension::parse_list(["y, x; a=2"]).unwrap()[..] else { panic!() };
            assert!(!response.choose_extension(request, y));
            assert_eq!(response, before);
            assert!(response.choose_extension(request, x));
            assert!(encoded(&response).contains("Sec-WebSocket-Extensions: x; a=2\r\n"));
            #[cfg(feature = "deflate")]
            assert_eq!(response.negotiated().deflate, None);
        });
    }
}
