//! The answer to a request that is not upgraded.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt;
use std::io::Write as _;

use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::HandshakeError;

/// A refusal of an upgrade: a status, headers and a text that says why.
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
    /// Behind a pointer, so that results with a refusal in them stay small.
    headers: Box<HeaderMap>,
    body: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with the status, and a text for whoever reads the answer. An informational status (1xx) would be
    /// no answer: 500 is sent in its place.
    pub fn new(status: StatusCode, body: impl Into<Cow<'static, str>>) -> Self {
        let status =
            if status.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        Self { status, headers: Box::default(), body: body.into() }
    }

    /// 400: the request is wrong.
    pub fn bad_request(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, body)
    }

    /// 401: say who you are. A `WWW-Authenticate` header should go with it.
    pub fn unauthorized(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, body)
    }

    /// 403: you may not.
    pub fn forbidden(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, body)
    }

    /// 404: there is nothing of this name.
    pub fn not_found(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, body)
    }

    /// Adds a header. `Content-Length`, `Transfer-Encoding` and `Connection` are the encoder's and are left out; an
    /// `Upgrade` is listed in `Connection` as RFC 9110 section 7.8 has it; a
    /// `Content-Type` takes the place of `text/plain; charset=utf-8`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
            self.headers.append(name, value);
        }
        self
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers that were added.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The text.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Appends the refusal to `out` as a whole HTTP/1.1 response, after which the connection is to be closed.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let reason = self.status.canonical_reason().unwrap_or("Refused");
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", self.status.as_str());
        for (name, value) in self.response_headers().iter().chain(self.headers.iter()) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.body.as_bytes());
    }

    /// The refusal for an HTTP library: one that frames the content itself.
    pub fn into_response<B: From<String>>(self) -> http::Response<B> {
        let mut headers = self.response_headers();
        headers.extend(*self.headers);
        let mut response = http::Response::new(B::from(self.body.into_owned()));
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
        write!(f, "{}: {}", self.status, self.body)
    }
}

impl std::error::Error for Refusal {}

/// What a server answers to a handshake that failed: the text says what is wrong, down to its cause.
impl From<&HandshakeError> for Refusal {
    fn from(error: &HandshakeError) -> Self {
        let status = match error {
            HandshakeError::Refused(refusal) => return refusal.clone(),
            HandshakeError::HeadTooLarge { .. } | HandshakeError::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            HandshakeError::HttpVersion { .. } => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            HandshakeError::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
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
            _ => StatusCode::BAD_REQUEST,
        };
        let text = match error.source() {
            Some(cause) => format!("{error}: {cause}\n"),
            None => format!("{error}\n"),
        };
        let refusal = Self::new(status, text);
        match status {
            StatusCode::METHOD_NOT_ALLOWED => {
                refusal.header(ALLOW, HeaderValue::from_static("GET"))
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
            (HandshakeError::WebSocketVersion { version: value() }, 426),
            (HandshakeError::MissingHeader { name: "Sec-WebSocket-Version" }, 426),
            (HandshakeError::MissingHeader { name: "Upgrade" }, 426),
            (HandshakeError::MissingHeader { name: "Host" }, 400),
            (HandshakeError::OriginRefused { origin: value(), host: value() }, 403),
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
        assert_eq!(refusal.body(), text);
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
    }
}
