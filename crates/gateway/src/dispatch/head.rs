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
        let essence = text.split(';').next().unwrap_or_default().trim();
        let lowercase = essence.to_ascii_lowercase();
        match &*lowercase {
            "application/json" => Self::Json,
            "application/proto" => Self::Proto,
            "application/connect+json" => Self::ConnectJson,
            "application/connect+proto" => Self::ConnectProto,
            "application/x-www-form-urlencoded" => Self::Form,
            other => match other.split('+').next().unwrap_or_default() {
                "application/grpc" => Self::Grpc,
                "application/grpc-web" => Self::GrpcWeb,
                "application/grpc-web-text" => Self::GrpcWebText,
                _ => Self::Other,
            },
        }
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
