//! The response to a request that is not upgraded.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::HandshakeError;
use crate::escape;

/// Maximum length of a refusal's body, in bytes: as much as a connection's output holds before it
/// waits. The body is meant to give the reason, not to be a page.
const MAX_BODY: usize = 64 * 1024;

/// A refusal of an upgrade: a status, headers and a body that gives the reason.
///
/// ```
/// use http::{HeaderValue, StatusCode, header};
/// use sockeye_proto::handshake::Refusal;
///
/// let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "come back later")
///     .header(header::RETRY_AFTER, HeaderValue::from_static("30"));
/// assert_eq!(refusal.to_string(), "429 Too Many Requests: come back later");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    status: StatusCode,
    /// Boxed, so that results that contain a refusal stay small.
    headers: Box<HeaderMap>,
    body: Bytes,
}

impl Refusal {
    /// Creates a refusal with a status and a text, of which at most 64 KiB are sent. An
    /// informational status (1xx) cannot end a request and is replaced by 500.
    pub fn new(status: StatusCode, body: impl Into<Cow<'static, str>>) -> Self {
        let status =
            if status.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        let body = match body.into() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        Self { status, headers: Box::default(), body: bounded(body) }
    }

    /// Creates a 400 (Bad Request): the request is malformed.
    pub fn bad_request(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, body)
    }

    /// Creates a 401 (Unauthorized): the client must authenticate. Add a `WWW-Authenticate` header.
    pub fn unauthorized(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, body)
    }

    /// Creates a 403 (Forbidden): the client has no permission.
    pub fn forbidden(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, body)
    }

    /// Creates a 404 (Not Found): the resource does not exist.
    pub fn not_found(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, body)
    }

    /// Replaces the text by content of any type: JSON, a page, bytes. Content beyond 64 KiB is cut
    /// off.
    ///
    /// ```
    /// use http::{HeaderValue, StatusCode};
    /// use sockeye_proto::handshake::Refusal;
    ///
    /// let refusal = Refusal::new(StatusCode::PAYMENT_REQUIRED, "")
    ///     .content(HeaderValue::from_static("application/json"), r#"{"due":"5 EUR"}"#);
    /// assert_eq!(refusal.body(), br#"{"due":"5 EUR"}"#);
    /// ```
    pub fn content(mut self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        Self { body: bounded(body.into()), ..self }
    }

    /// Adds a header. `Content-Length`, `Transfer-Encoding` and `Connection` are left out, because
    /// the encoder decides them; an `Upgrade` is listed in `Connection` as RFC 9110 section 7.8
    /// requires; a `Content-Type` replaces `text/plain; charset=utf-8`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
            self.headers.append(name, value);
        }
        self
    }

    /// Returns the status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the added headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Appends the refusal to `out` as a whole HTTP/1.1 response. The caller must close the
    /// connection after it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_head(out);
        out.extend_from_slice(&self.body);
    }

    /// Appends the head of the response only: the whole response to a HEAD request, which has no
    /// content.
    pub fn encode_head(&self, out: &mut Vec<u8>) {
        let reason = self.status.canonical_reason().unwrap_or("Refused");
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", self.status.as_str());
        for (name, value) in self.response_headers().iter().chain(self.headers.iter()) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Converts the refusal to a response of an HTTP library, which frames the content itself.
    /// Invalid UTF-8 in the body is replaced: a program with an HTTP library can send other bytes
    /// by means of the library.
    pub fn into_response<B: From<String>>(self) -> http::Response<B> {
        let mut headers = self.response_headers();
        let body = String::from_utf8(self.body.into())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.extend(*self.headers);
        let mut response = http::Response::new(B::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    fn response_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let offers_upgrade = self.headers.contains_key(UPGRADE);
        let connection = if offers_upgrade { "close, upgrade" } else { "close" };
        headers.insert(CONNECTION, HeaderValue::from_static(connection));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        if !self.headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        headers
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.body) {
            Ok(text) => write!(f, "{}: {}", self.status, escape(text)),
            Err(_) => write!(f, "{}: {} bytes", self.status, self.body.len()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Truncates the body to the limit, but not within a character of a text.
fn bounded(mut body: Bytes) -> Bytes {
    if body.len() > MAX_BODY {
        let end = match std::str::from_utf8(&body[..MAX_BODY]) {
            Err(cut) if cut.error_len().is_none() => cut.valid_up_to(),
            _ => MAX_BODY,
        };
        body.truncate(end);
    }
    body
}

/// Converts a failed handshake to the server's response, whose text names the error and its cause.
impl From<&HandshakeError> for Refusal {
    fn from(error: &HandshakeError) -> Self {
        let status = match error {
            HandshakeError::Refused(refusal) => return refusal.clone(),
            HandshakeError::HeadTooLarge { .. } | HandshakeError::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            HandshakeError::HttpVersion { .. } => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            HandshakeError::Method { .. } | HandshakeError::NotConnect { .. } => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            //= https://www.rfc-editor.org/rfc/rfc9220#section-3
            //# If a server advertises support for Extended CONNECT but receives
            //# an Extended CONNECT request with a ":protocol" value that is
            //# unknown or is not supported, the server SHOULD respond to the
            //# request with a 501 (Not Implemented) status code
            HandshakeError::ProtocolNotWebSocket { .. } => StatusCode::NOT_IMPLEMENTED,
            //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
            //# the server MUST abort the WebSocket handshake
            //# described in this section and instead send an appropriate HTTP
            //# error code (such as 426 Upgrade Required)
            HandshakeError::WebSocketVersion { .. }
            | HandshakeError::UpgradeNotWebSocket { .. }
            | HandshakeError::MissingHeader { name: "Upgrade" | "Sec-WebSocket-Version" } => {
                StatusCode::UPGRADE_REQUIRED
            }
            HandshakeError::OriginRefused { .. } => StatusCode::FORBIDDEN,
            //= https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20
            //# the request was directed at a server that is unable or unwilling to
            //# produce an authoritative response for the target URI
            HandshakeError::HostRefused { .. } => StatusCode::MISDIRECTED_REQUEST,
            _ => StatusCode::BAD_REQUEST,
        };
        let refusal = Self::new(status, format!("{error}\n"));
        match status {
            StatusCode::METHOD_NOT_ALLOWED => {
                let over_http2 = matches!(error, HandshakeError::NotConnect { .. });
                let allowed = if over_http2 { "CONNECT" } else { "GET" };
                refusal.header(ALLOW, HeaderValue::from_static(allowed))
            }
            StatusCode::UPGRADE_REQUIRED => refusal
                .header(UPGRADE, HeaderValue::from_static("websocket"))
                .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            _ => refusal,
        }
    }
}

impl From<Refusal> for HandshakeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use http::header::WWW_AUTHENTICATE;

    use super::*;

    fn encoded(refusal: &Refusal) -> String {
        let mut out = Vec::new();
        refusal.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_refusal_is_a_whole_response() {
        let refusal = Refusal::forbidden("not hére")
            .header(HeaderName::from_static("x-why"), HeaderValue::from_static("because"))
            .header(CONTENT_LENGTH, HeaderValue::from_static("1"));
        let text = encoded(&refusal);
        assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{text}");
        assert!(text.contains("\r\ncontent-length: 9\r\n"), "{text}");
        assert!(!text.contains("content-length: 1\r\n"), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
        assert!(text.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{text}");
        assert!(text.contains("\r\nx-why: because\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nnot hére"), "{text}");
        let mut head = Vec::new();
        refusal.encode_head(&mut head);
        assert_eq!(text.strip_prefix(std::str::from_utf8(&head).unwrap()), Some("not hére"));
        let response: http::Response<String> = refusal.into_response();
        assert_eq!(response.headers()["x-why"], "because");
        assert_eq!(response.headers()[CONTENT_LENGTH], "9");
    }

    #[test]
    fn a_content_type_of_ones_own_stands_alone() {
        let refusal = Refusal::bad_request("{}")
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(encoded(&refusal).matches("content-type").count(), 1);
    }

    #[test]
    fn an_informational_status_is_not_sent_as_an_answer() {
        let refusal = Refusal::new(StatusCode::SWITCHING_PROTOCOLS, "");
        assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn each_error_has_its_status() {
        let value = String::new;
        for (error, status) in [
            (HandshakeError::HeadTooLarge { limit: 1 }, 431),
            (HandshakeError::TooManyHeaders { limit: 1 }, 431),
            (HandshakeError::HttpVersion { version: value() }, 505),
            (HandshakeError::Method { method: value() }, 405),
            (HandshakeError::NotConnect { method: value() }, 405),
            (HandshakeError::ProtocolNotWebSocket { protocol: value() }, 501),
            (HandshakeError::ConnectionHeader { name: "Upgrade" }, 400),
            (HandshakeError::WebSocketVersion { version: value() }, 426),
            (HandshakeError::MissingHeader { name: "Sec-WebSocket-Version" }, 426),
            (HandshakeError::MissingHeader { name: "Upgrade" }, 426),
            (HandshakeError::MissingHeader { name: "Host" }, 400),
            (HandshakeError::OriginRefused { origin: value(), host: value() }, 403),
            (HandshakeError::HostRefused { host: value() }, 421),
            (HandshakeError::Key { key: value() }, 400),
            (HandshakeError::from(Refusal::not_found("")), 404),
        ] {
            assert_eq!(Refusal::from(&error).status(), status, "{error:?}");
        }
    }

    #[test]
    fn an_upgrade_that_is_named_is_listed_in_connection() {
        let missing = HandshakeError::MissingHeader { name: "Upgrade" };
        let text = encoded(&Refusal::from(&missing));
        assert!(text.contains("\r\nconnection: close, upgrade\r\n"), "{text}");
        assert!(text.contains("\r\nupgrade: websocket\r\n"), "{text}");
        let response: http::Response<String> = Refusal::from(&missing).into_response();
        assert_eq!(response.headers()[CONNECTION], "close, upgrade");
    }

    #[test]
    fn the_text_tells_the_cause() {
        let error = crate::extension::ExtensionError::ExpectedToken { at: 3 };
        let refusal = Refusal::from(&HandshakeError::Extensions(error));
        let text = "the Sec-WebSocket-Extensions header is malformed: expected a token at byte 3\n";
        assert_eq!(refusal.body(), text.as_bytes());
    }

    #[test]
    fn any_body_takes_the_place_of_the_text() {
        let bytes = HeaderValue::from_static("application/octet-stream");
        let refusal = Refusal::forbidden("why").content(bytes, &b"\x00\xff\x01"[..]);
        let mut out = Vec::new();
        refusal.encode(&mut out);
        assert!(out.ends_with(b"\r\n\r\n\x00\xff\x01"), "{out:?}");
        let head = String::from_utf8_lossy(&out);
        assert!(head.contains("\r\ncontent-type: application/octet-stream\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-length: 3\r\n"), "{head}");
        assert_eq!(refusal.to_string(), "403 Forbidden: 3 bytes");
        let response: http::Response<String> = refusal.into_response();
        assert_eq!(response.headers()[CONTENT_LENGTH], response.body().len().to_string());
    }

    #[test]
    fn a_body_over_the_limit_is_cut_between_characters() {
        let refusal = Refusal::forbidden(format!("x{}", "é".repeat(MAX_BODY)));
        assert_eq!(refusal.body().len(), MAX_BODY - 1);
        assert!(std::str::from_utf8(refusal.body()).is_ok());
        let bytes = HeaderValue::from_static("application/octet-stream");
        let refusal = refusal.content(bytes, vec![0xff; MAX_BODY + 1]);
        assert_eq!(refusal.body().len(), MAX_BODY);
    }

    #[test]
    fn headers_that_come_twice_are_sent_twice() {
        let refusal = Refusal::unauthorized("")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        assert_eq!(encoded(&refusal).matches("www-authenticate: B").count(), 2);
        let response: http::Response<String> = refusal.into_response();
        assert_eq!(response.headers().get_all(WWW_AUTHENTICATE).iter().count(), 2);
    }

    #[test]
    fn a_refused_version_or_method_names_the_one_that_is_spoken() {
        let version = Refusal::from(&HandshakeError::WebSocketVersion { version: "8".into() });
        assert_eq!(version.headers()[SEC_WEBSOCKET_VERSION], "13");
        let method = Refusal::from(&HandshakeError::Method { method: "POST".into() });
        assert_eq!(method.headers()[ALLOW], "GET");
        let method = Refusal::from(&HandshakeError::NotConnect { method: "GET".into() });
        assert_eq!(method.headers()[ALLOW], "CONNECT");
    }
}
