use http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Version};

/// The subprotocol after which a client names a token: `Sec-WebSocket-Protocol: Bearer, TOKEN`.
pub const SUBPROTOCOL_BEARER: &str = "Bearer";

/// The header with the version of Connect's protocol.
pub(crate) const CONNECT_PROTOCOL_VERSION: HeaderName =
    HeaderName::from_static("connect-protocol-version");

/// The head of a request, as far as it decides the dialect.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'r> {
    /// The method.
    pub method: &'r Method,
    /// The version of HTTP.
    pub version: Version,
    /// The raw path.
    pub path: &'r str,
    /// The raw query.
    pub query: Option<&'r str>,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// `true` if the request asks for a WebSocket.
    pub is_websocket: bool,
}

/// The media type of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// There is no header `Content-Type`.
    Missing,
    /// `application/json`.
    Json,
    /// `application/proto`.
    Proto,
    /// `application/connect+json`.
    ConnectJson,
    /// `application/connect+proto`.
    ConnectProto,
    /// `application/grpc`, also with a suffix.
    Grpc,
    /// `application/grpc-web`, also with a suffix.
    GrpcWeb,
    /// `application/grpc-web-text`, also with a suffix.
    GrpcWebText,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Another type, or several.
    Other,
}

impl<'r> RequestHead<'r> {
    /// Creates the head of a request. For HTTP/2, `is_websocket` says whether the request has the
    /// pseudo-header `:protocol` with `websocket`; for HTTP/1.1, the headers say it, and it is not
    /// read.
    pub fn new(parts: &'r Parts, is_websocket: bool) -> Self {
        let is_websocket = match parts.version {
            Version::HTTP_2 => is_websocket && parts.method == Method::CONNECT,
            Version::HTTP_11 => {
                parts.method == Method::GET
                    && has_token(&parts.headers, &CONNECTION, "upgrade")
                    && has_token(&parts.headers, &UPGRADE, "websocket")
            }
            _ => false,
        };
        Self {
            method: &parts.method,
            version: parts.version,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            is_websocket,
        }
    }

    /// Returns the media type of the body.
    pub fn media_type(&self) -> MediaType {
        let mut values = self.headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = values.next() else { return MediaType::Missing };
        match value.to_str() {
            Ok(text) if values.next().is_none() => MediaType::parse(text),
            _ => MediaType::Other,
        }
    }

    /// Returns the subprotocols that the client offers, in its order.
    pub(super) fn subprotocols(&self) -> impl Iterator<Item = &'r str> {
        let values = self.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let lists = values.filter_map(|value| value.to_str().ok());
        lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty())
    }
}

impl MediaType {
    fn parse(text: &str) -> Self {
        const WHOLE: [(&str, MediaType); 5] = [
            ("application/json", MediaType::Json),
            ("application/proto", MediaType::Proto),
            ("application/connect+json", MediaType::ConnectJson),
            ("application/connect+proto", MediaType::ConnectProto),
            ("application/x-www-form-urlencoded", MediaType::Form),
        ];
        const BEFORE_SUFFIX: [(&str, MediaType); 3] = [
            ("application/grpc", MediaType::Grpc),
            ("application/grpc-web", MediaType::GrpcWeb),
            ("application/grpc-web-text", MediaType::GrpcWebText),
        ];

        let until = |text: &[u8], end: u8| text.iter().position(|byte| *byte == end);
        let find = |types: &[(&str, Self)], text: &[u8]| {
            let found = types.iter().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()));
            found.map(|(_, media_type)| *media_type)
        };
        let text = text.as_bytes();
        let essence = text[..until(text, b';').unwrap_or(text.len())].trim_ascii();
        let base = || &essence[..until(essence, b'+').unwrap_or(essence.len())];
        find(&WHOLE, essence).or_else(|| find(&BEFORE_SUFFIX, base())).unwrap_or(Self::Other)
    }
}

/// Returns whether a request with JSON is one of Connect, rather than plain JSON over HTTP.
pub(crate) fn is_connect(headers: &HeaderMap) -> bool {
    headers.contains_key(CONNECT_PROTOCOL_VERSION)
}

/// Reports whether a header lists a token. Case is ignored.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}
