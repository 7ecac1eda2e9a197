//! A client's half of the opening handshake (RFC 6455 section 4.1, RFC 8441 section 5).

use http::header::{AUTHORIZATION, HOST, SEC_WEBSOCKET_KEY};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

use super::error::HandshakeError;
use super::head::ResponseHead;
use super::key::Key;
use super::request::{VERSION, set_once, text};
use super::response::{is_reserved_header, line};
use super::{BasicCredentials, Negotiated, RequestError, Url, credentials, subprotocol};
use crate::excerpt::excerpt;
use crate::extension::Extension;

/// A request for a WebSocket, and the check of the server's answer.
///
/// ```
/// use sockeye_proto::handshake::{ClientRequest, HeadLimits, Key, ResponseHead};
///
/// let mut request = ClientRequest::new("ws://example.com/chat".parse()?);
/// request.add_subprotocol("chat.v2")?;
/// let key = Key::new(*b"sixteen random..");
/// let mut bytes = Vec::new();
/// request.encode(key, &mut bytes);
/// // Send the bytes, read the answer's head.
/// let answer = format!(
///     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///      Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat.v2\r\n\r\n",
///     key.accept(),
/// );
/// let head = ResponseHead::parse(answer.as_bytes(), HeadLimits::default())?;
/// let negotiated = request.verify(key, &head)?;
/// assert_eq!(negotiated.subprotocol.as_deref(), Some("chat.v2"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientRequest {
    url: Url,
    headers: HeaderMap,
    subprotocols: Vec<String>,
    /// Offers of extensions that the program implements itself.
    extensions: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Option<crate::deflate::Deflate>,
}

impl ClientRequest {
    /// Creates a request without subprotocols, extensions and added headers.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            extensions: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// Returns the URL that the request is sent to.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Replaces the URL that the request is sent to.
    pub fn set_url(&mut self, url: Url) {
        self.url = url;
    }

    /// Returns the added headers.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Replaces all added headers.
    ///
    /// # Errors
    /// The errors of [`add_header`](Self::add_header), for the first header that cannot be added;
    /// the request is then unchanged.
    pub fn set_headers(&mut self, headers: HeaderMap) -> Result<(), RequestError> {
        if let Some(name) = headers.keys().find(|name| is_reserved_header(name)) {
            return Err(RequestError::ReservedHeader { name: name.clone() });
        }
        if headers.get_all(HOST).iter().count() > 1 {
            return Err(RequestError::DuplicateHost);
        }
        self.headers = headers;
        Ok(())
    }

    /// Adds a header, such as `Authorization`, `Origin` or `Cookie`. An added `Host` replaces the
    /// URL's.
    ///
    /// # Errors
    /// [`RequestError::ReservedHeader`] when the handshake itself sets the header, or the header
    /// would announce content; [`RequestError::DuplicateHost`] for a second `Host`.
    pub fn add_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), RequestError> {
        if is_reserved_header(&name) {
            return Err(RequestError::ReservedHeader { name });
        }
        if name == HOST && self.headers.contains_key(HOST) {
            return Err(RequestError::DuplicateHost);
        }
        self.headers.append(name, value);
        Ok(())
    }

    /// Sets the `Authorization` header to a user name and a password, replacing an earlier one
    /// (RFC 7617).
    pub fn set_basic_auth(&mut self, credentials: &BasicCredentials) {
        self.headers.insert(AUTHORIZATION, credentials.authorization());
    }

    /// Sets the `Authorization` header to a bearer token, replacing an earlier one (RFC 6750
    /// section 2.1).
    ///
    /// # Errors
    /// [`RequestError::Credentials`] when `token` is not a bearer token.
    pub fn set_bearer_auth(&mut self, token: &str) -> Result<(), RequestError> {
        self.headers.insert(AUTHORIZATION, credentials::bearer(token)?);
        Ok(())
    }

    /// Requests a subprotocol. The client prefers the one that was added first.
    ///
    /// # Errors
    /// [`RequestError::Subprotocol`] when `subprotocol` is not a token, was added before, or comes
    /// after [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS) others.
    pub fn add_subprotocol(&mut self, subprotocol: impl Into<String>) -> Result<(), RequestError> {
        let subprotocol = subprotocol.into();
        subprotocol::check(&self.subprotocols, &subprotocol)?;
        self.subprotocols.push(subprotocol);
        Ok(())
    }

    /// Returns the requested subprotocols.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Sets the configuration of permessage-deflate to offer. Default: `None`, which offers
    /// nothing.
    #[cfg(feature = "deflate")]
    pub fn set_deflate(&mut self, deflate: Option<crate::deflate::Deflate>) {
        self.deflate = deflate;
    }

    /// Offers an extension that the program implements itself, with its parameters in the header's
    /// syntax: `x-custom; level=9`. The offer precedes that of permessage-deflate.
    ///
    /// If the server agrees, [`Negotiated::extensions`] lists the extension, and the program must
    /// handle the frames by hand: a [`Connection`](crate::Connection) implements permessage-deflate
    /// only.
    ///
    /// # Errors
    /// [`RequestError::Extension`] when `offer` is not an extension.
    pub fn add_extension(&mut self, offer: &str) -> Result<(), RequestError> {
        let offers = Extension::parse_list([offer]).map_err(RequestError::Extension)?;
        self.extensions.extend(offers.iter().map(Extension::to_string));
        Ok(())
    }

    /// Appends the request to `out` as an HTTP/1.1 head. The key must be fresh and random for each
    /// connection.
    pub fn encode(&self, key: Key, out: &mut Vec<u8>) {
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.url.target().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let host = self.headers.get(HOST).map(HeaderValue::as_bytes);
        line(out, "Host", host.unwrap_or(self.url.authority().as_bytes()));
        line(out, "Upgrade", b"websocket");
        line(out, "Connection", b"Upgrade");
        line(out, "Sec-WebSocket-Key", key.as_str().as_bytes());
        self.each_header(|name, value| line(out, name, value));
        out.extend_from_slice(b"\r\n");
    }

    /// Returns the request as an extended CONNECT of HTTP/2, for an HTTP library. The caller must
    /// set the library's `:protocol` pseudo-header to `websocket`. An added `Host` replaces the
    /// URL's host and port as the `:authority`.
    ///
    /// The key, if any, must be fresh and random for each connection. An HTTP/2 server does not use
    /// it (RFC 8441 section 5). A proxy that translates the request to HTTP/1.1 may need the key
    /// (Envoy forwards it), or may add its own key, which makes two (nghttpx). A client therefore
    /// sends a request without a key first, and one with a key when the answer is 400.
    ///
    /// # Errors
    /// [`RequestError::InvalidHeaderValue`] when the added `Host` cannot be an `:authority`;
    /// [`RequestError::MalformedUrl`] when the URL cannot be an HTTP URI.
    pub fn to_http2(&self, key: Option<Key>) -> Result<http::Request<()>, RequestError> {
        let authority = match self.headers.get(HOST) {
            Some(host) => host
                .as_bytes()
                .try_into()
                .map_err(|_| RequestError::InvalidHeaderValue { name: HOST })?,
            None => self.url.authority().parse::<Authority>().map_err(|_| self.malformed_url())?,
        };
        //= https://www.rfc-editor.org/rfc/rfc8441#section-5
        //# The scheme of the target URI ([RFC7230]) MUST be "https" for
        //# "wss"-schemed WebSockets and "http" for "ws"-schemed WebSockets.
        let scheme = if self.url.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(self.url.target())
            .build()
            .map_err(|_| self.malformed_url())?;
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        if let Some(key) = key.and_then(|key| HeaderValue::from_str(key.as_str()).ok()) {
            headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        self.each_header(|name, value| {
            let (name, value) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value));
            // Never fails: names and values are generated here, or come from a `HeaderMap`.
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        });
        Ok(request)
    }

    /// Calls `put` for each header that the request has in every version of HTTP.
    fn each_header(&self, mut put: impl FnMut(&str, &[u8])) {
        put("Sec-WebSocket-Version", VERSION.as_bytes());
        if !self.subprotocols.is_empty() {
            put("Sec-WebSocket-Protocol", self.subprotocols.join(", ").as_bytes());
        }
        let deflate = self.offer().map(|offer| offer.to_string());
        let offers: Vec<_> = self.extensions.iter().cloned().chain(deflate).collect();
        if !offers.is_empty() {
            put("Sec-WebSocket-Extensions", offers.join(", ").as_bytes());
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| *name != HOST) {
            put(name.as_str(), value.as_bytes());
        }
    }

    fn malformed_url(&self) -> RequestError {
        RequestError::MalformedUrl { url: excerpt(self.url.to_string()) }
    }

    /// Verifies the head of the answer that follows any [interim](ResponseHead::is_interim) ones.
    ///
    /// # Errors
    /// The first rule that the server broke; [`HandshakeError::Status`] when the server did not
    /// upgrade the connection, with an empty body that [`HandshakeError::with_body`] fills.
    pub fn verify(&self, key: Key, head: &ResponseHead<'_>) -> Result<Negotiated, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
        //# If the status code received from the server is not 101, the
        //# client handles the response per HTTP [RFC2616] procedures.
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(HandshakeError::Status {
                status: head.status,
                headers: Box::new(head.to_headers()),
                body: bytes::Bytes::new(),
            });
        }
        let answer = Answer::gather(head.headers())?;
        answer.check_upgrade()?;
        answer.check_accept(key)?;
        self.negotiated(&answer)
    }

    /// Verifies the head of the answer to [`to_http2`](Self::to_http2). A `Sec-WebSocket-Accept` is
    /// ignored, because RFC 8441 section 5 does not use it.
    ///
    /// # Errors
    /// The errors of [`verify`](Self::verify). Every 2xx status opens the WebSocket.
    pub fn verify_http2(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Negotiated, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
        //# Any 2xx (Successful) response indicates that the sender (and all
        //# inbound proxies) will switch to tunnel mode immediately after the
        //# response header section
        if !status.is_success() {
            let (headers, body) = (Box::new(headers.clone()), bytes::Bytes::new());
            return Err(HandshakeError::Status { status, headers, body });
        }
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        self.negotiated(&Answer::gather(headers)?)
    }

    fn negotiated(&self, answer: &Answer<'_>) -> Result<Negotiated, HandshakeError> {
        let mut negotiated =
            Negotiated { subprotocol: self.subprotocol(answer)?, ..Negotiated::default() };
        self.confirm_extensions(answer, &mut negotiated)?;
        Ok(negotiated)
    }

    fn subprotocol(&self, answer: &Answer<'_>) -> Result<Option<String>, HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
        //# If the response includes a |Sec-WebSocket-Protocol| header field
        //# and this header field indicates the use of a subprotocol that was
        //# not present in the client's handshake (the server has indicated a
        //# subprotocol not requested by the client), the client MUST _Fail
        //# the WebSocket Connection_.
        match answer.subprotocol {
            Some(chosen) if !self.subprotocols.iter().any(|requested| requested == chosen) => {
                Err(HandshakeError::UnrequestedSubprotocol { subprotocol: excerpt(chosen) })
            }
            chosen => Ok(chosen.map(ToOwned::to_owned)),
        }
    }

    #[cfg(feature = "deflate")]
    fn offer(&self) -> Option<Extension<'static>> {
        self.deflate.as_ref().map(crate::deflate::Deflate::offer)
    }

    #[cfg(not(feature = "deflate"))]
    #[allow(clippy::unused_self, reason = "the twin of the method with an extension to offer")]
    fn offer(&self) -> Option<Extension<'static>> {
        None
    }

    fn confirm_extensions(
        &self,
        answer: &Answer<'_>,
        negotiated: &mut Negotiated,
    ) -> Result<(), HandshakeError> {
        let mut agreed: Vec<Extension<'_>> = Vec::new();
        for extension in Extension::parse_list(answer.extensions)? {
            //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
            //# If the response includes a |Sec-WebSocket-Extensions| header
            //# field and this header field indicates the use of an extension
            //# that was not present in the client's handshake (the server has
            //# indicated an extension not requested by the client), the client
            //# MUST _Fail the WebSocket Connection_.
            //
            // One offer cannot be accepted twice.
            let again = agreed.iter().any(|before| before.name() == extension.name());
            let confirmed = !again
                && (self.confirm_custom(&extension)?
                    || self.confirm_deflate(&extension, negotiated)?);
            if !confirmed {
                return Err(HandshakeError::UnofferedExtension {
                    extension: excerpt(extension.to_string()),
                });
            }
            agreed.push(extension);
        }
        if !agreed.is_empty() {
            let agreed: Vec<_> = agreed.iter().map(Extension::to_string).collect();
            negotiated.extensions = Some(agreed.join(", "));
        }
        Ok(())
    }

    /// Returns whether the program offered the extension by [`add_extension`](Self::add_extension).
    fn confirm_custom(&self, extension: &Extension<'_>) -> Result<bool, HandshakeError> {
        let offers = Extension::parse_list(self.extensions.iter().map(String::as_str))?;
        Ok(offers.iter().any(|offer| offer.name() == extension.name()))
    }

    /// Returns whether the extension is permessage-deflate and was offered; stores its parameters
    /// then.
    #[cfg(feature = "deflate")]
    fn confirm_deflate(
        &self,
        extension: &Extension<'_>,
        negotiated: &mut Negotiated,
    ) -> Result<bool, HandshakeError> {
        let Some(deflate) = &self.deflate else { return Ok(false) };
        if extension.name() != crate::deflate::NAME {
            return Ok(false);
        }
        let parameters = deflate.confirm(extension).map_err(HandshakeError::Deflate)?;
        negotiated.deflate = Some((deflate.clone(), parameters));
        Ok(true)
    }

    #[cfg(not(feature = "deflate"))]
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the twin of the method with an extension to confirm"
    )]
    fn confirm_deflate(
        &self,
        _: &Extension<'_>,
        _: &mut Negotiated,
    ) -> Result<bool, HandshakeError> {
        Ok(false)
    }
}

/// The headers of an answer that the handshake needs.
#[derive(Default)]
struct Answer<'a> {
    upgrade: Option<&'a str>,
    connection: Option<&'a str>,
    upgrades: bool,
    accept: Option<&'a str>,
    subprotocol: Option<&'a str>,
    extensions: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn gather(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Self, HandshakeError> {
        let mut answer = Self::default();
        for (name, value) in headers {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("Upgrade") {
                set_once(&mut answer.upgrade, "Upgrade", value)?;
            } else if is("Connection") {
                let value = text("Connection", value)?;
                answer.upgrades |= crate::token::list_has(value, "upgrade");
                answer.connection = Some(value);
            } else if is("Sec-WebSocket-Accept") {
                set_once(&mut answer.accept, "Sec-WebSocket-Accept", value)?;
            } else if is("Sec-WebSocket-Protocol") {
                //= https://www.rfc-editor.org/rfc/rfc6455#section-11.3.4
                //# However, the |Sec-WebSocket-Protocol| header field MUST NOT
                //# appear more than once in an HTTP response.
                set_once(&mut answer.subprotocol, "Sec-WebSocket-Protocol", value)?;
            } else if is("Sec-WebSocket-Extensions") {
                //= https://www.rfc-editor.org/rfc/rfc6455#section-11.3.2
                //# However, the |Sec-WebSocket-Extensions| header field
                //# MUST NOT appear more than once in an HTTP response.
                set_once(&mut answer.extensions, "Sec-WebSocket-Extensions", value)?;
            }
        }
        Ok(answer)
    }

    fn check_upgrade(&self) -> Result<(), HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
        //# If the response lacks an |Upgrade| header field or the |Upgrade|
        //# header field contains a value that is not an ASCII case-
        //# insensitive match for the value "websocket", the client MUST
        //# _Fail the WebSocket Connection_.
        match self.upgrade {
            Some(value) if value.eq_ignore_ascii_case("websocket") => {}
            Some(value) => {
                return Err(HandshakeError::UpgradeNotWebSocket { value: excerpt(value) });
            }
            None => return Err(HandshakeError::MissingHeader { name: "Upgrade" }),
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
        //# If the response lacks a |Connection| header field or the
        //# |Connection| header field doesn't contain a token that is an
        //# ASCII case-insensitive match for the value "Upgrade", the client
        //# MUST _Fail the WebSocket Connection_.
        match self.connection {
            _ if self.upgrades => Ok(()),
            Some(value) => Err(HandshakeError::ConnectionNotUpgrade { value: excerpt(value) }),
            None => Err(HandshakeError::MissingHeader { name: "Connection" }),
        }
    }

    fn check_accept(&self, key: Key) -> Result<(), HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
        //# If the response lacks a |Sec-WebSocket-Accept| header field or
        //# the |Sec-WebSocket-Accept| contains a value other than the
        //# base64-encoded SHA-1 of the concatenation of the |Sec-WebSocket-
        //# Key| (as a string, not base64-decoded) with the string "258EAFA5-
        //# E914-47DA-95CA-C5AB0DC85B11" but ignoring any leading and
        //# trailing whitespace, the client MUST _Fail the WebSocket
        //# Connection_.
        let missing = HandshakeError::MissingHeader { name: "Sec-WebSocket-Accept" };
        let received = self.accept.ok_or(missing)?;
        let expected = key.accept();
        if crate::token::trim(received) != expected.as_str() {
            return Err(HandshakeError::AcceptMismatch {
                expected: expected.to_string(),
                received: excerpt(received),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
