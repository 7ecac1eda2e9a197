//! Errors of the opening handshake.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Refusal, SubprotocolError};
use crate::excerpt::excerpt;
use crate::extension::ExtensionError;

/// An opening handshake that failed: the peer broke a rule, or one side refused the handshake.
///
/// Values from the peer are escaped, and cut after 64 bytes. A server answers each of these errors
/// with [`Refusal::from`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head of the request or response is longer than
    /// [`HeadLimits::size`](super::HeadLimits::size).
    HeadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head has more headers than [`HeadLimits::headers`](super::HeadLimits::headers).
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The head is not HTTP.
    MalformedHead(MalformedHead),
    /// The peer closed the stream before its head was complete.
    Truncated {
        /// The number of bytes received.
        received: usize,
    },
    /// The HTTP version is not 1.1 (RFC 6455 section 4.2.1).
    HttpVersion {
        /// The version, as received.
        version: String,
    },
    /// A header that the handshake needs is missing.
    MissingHeader {
        /// The header's name.
        name: &'static str,
    },
    /// A header that must not be repeated was received more than once.
    DuplicateHeader {
        /// The header's name.
        name: &'static str,
    },
    /// A header of the handshake has bytes other than visible ASCII, spaces and tabs.
    HeaderNotText {
        /// The header's name.
        name: &'static str,
    },
    /// No Upgrade header names `websocket` (RFC 6455 sections 4.1 and 4.2.1).
    UpgradeNotWebSocket {
        /// The header's value.
        value: String,
    },
    /// No Connection header names `upgrade` (RFC 6455 sections 4.1 and 4.2.1).
    ConnectionNotUpgrade {
        /// The header's value.
        value: String,
    },

    /// The request's method is not GET (RFC 6455 section 4.2.1).
    Method {
        /// The method, as received.
        method: String,
    },
    /// The method of a request over HTTP/2 is not CONNECT (RFC 8441 section 5).
    NotConnect {
        /// The method, as received.
        method: String,
    },
    /// The `:protocol` pseudo-header of a request over HTTP/2 is not `websocket` (RFC 8441
    /// section 5).
    ProtocolNotWebSocket {
        /// The pseudo-header's value.
        protocol: String,
    },
    /// A request over HTTP/2 has a header that belongs to connections of HTTP/1.1 (RFC 8441
    /// section 5).
    ConnectionHeader {
        /// The header's name.
        name: &'static str,
    },
    /// The request's target is neither a path nor a URL of the host in the Host header (RFC 9112
    /// section 3.2).
    Target {
        /// The target, as received.
        target: String,
    },
    /// The Host header is not a host with an optional port (RFC 9110 section 7.2).
    Host {
        /// The header's value.
        host: String,
    },
    /// A Sec-WebSocket-Version other than 13 (RFC 6455 section 4.2.2).
    WebSocketVersion {
        /// The header's value.
        version: String,
    },
    /// A Sec-WebSocket-Key that is not 16 bytes in base64 (RFC 6455 section 4.2.1).
    Key {
        /// The header's value.
        key: String,
    },
    /// The request has content, which would be parsed as frames.
    Content,
    /// A Sec-WebSocket-Protocol that breaks a rule of its list (RFC 6455 section 4.1).
    Subprotocols(SubprotocolError),
    /// A Sec-WebSocket-Extensions that breaks its grammar (RFC 6455 section 9.1).
    Extensions(ExtensionError),
    /// The server does not answer for the requested host: the [`HostPolicy`](super::HostPolicy)
    /// does not allow the host.
    HostRefused {
        /// The requested host.
        host: String,
    },
    /// A page of another origin opened the connection, and the
    /// [`OriginPolicy`](super::OriginPolicy) does not allow that origin.
    OriginRefused {
        /// The origin of the page.
        origin: String,
        /// The requested host.
        host: String,
    },
    /// The server's application refused the request.
    Refused(Refusal),

    /// The server answered with a status other than 101, or over HTTP/2 other than 2xx (RFC 6455
    /// section 4.1).
    Status {
        /// The status.
        status: StatusCode,
        /// The answer's headers, such as `Retry-After`, `WWW-Authenticate` and `Location`. The
        /// limits of the head bound their size; headers whose value HTTP does not allow are left
        /// out.
        headers: Box<HeaderMap>,
        /// The beginning of the answer's content, as much of it as the I/O layer chose to read.
        body: Bytes,
    },
    /// The server's Sec-WebSocket-Accept does not match the client's key: the server does not
    /// support WebSocket, or an intermediary answered from a cache (RFC 6455 section 4.1).
    AcceptMismatch {
        /// The value that matches the client's key.
        expected: String,
        /// The header's value.
        received: String,
    },
    /// The server chose a subprotocol that the client did not request (RFC 6455 section 4.1).
    UnrequestedSubprotocol {
        /// The subprotocol.
        subprotocol: String,
    },
    /// The server chose an extension that the client did not offer (RFC 6455 section 4.1).
    UnofferedExtension {
        /// The extension.
        extension: String,
    },
    /// The server accepted permessage-deflate with parameters that the offer does not allow
    /// (RFC 7692 section 7.1).
    #[cfg(feature = "deflate")]
    Deflate(crate::deflate::NegotiationError),
}

impl HandshakeError {
    /// Sets the body of [`Status`](Self::Status) to the beginning of the answer's content; other
    /// errors are unchanged.
    pub fn with_body(self, body: Bytes) -> Self {
        match self {
            Self::Status { status, headers, .. } => Self::Status { status, headers, body },
            other => other,
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLarge { limit } => {
                write!(f, "the HTTP head is over the limit of {limit} bytes")
            }
            Self::TooManyHeaders { limit } => {
                write!(f, "the HTTP head is over the limit of {limit} headers")
            }
            Self::MalformedHead(reason) => {
                write!(f, "the peer does not speak HTTP/1.1: {reason}")
            }
            Self::Truncated { received } => {
                write!(f, "the peer closed after {received} bytes of its HTTP head")
            }
            Self::HttpVersion { version } => {
                write!(f, "expected HTTP/1.1, received `{version}`")
            }
            Self::MissingHeader { name } => write!(f, "the {name} header is missing"),
            Self::DuplicateHeader { name } => {
                write!(f, "the {name} header must occur once, but is repeated")
            }
            Self::HeaderNotText { name } => {
                write!(f, "the {name} header must be visible ASCII")
            }
            Self::UpgradeNotWebSocket { value } => {
                write!(f, "the Upgrade header must be `websocket`, received `{value}`")
            }
            Self::ConnectionNotUpgrade { value } => {
                write!(f, "the Connection header must list `upgrade`, received `{value}`")
            }
            Self::Method { method } => write!(f, "the method must be GET, received `{method}`"),
            Self::NotConnect { method } => {
                write!(f, "over HTTP/2 the method must be CONNECT, received `{method}`")
            }
            Self::ProtocolNotWebSocket { protocol } => {
                write!(f, "the :protocol must be `websocket`, received `{protocol}`")
            }
            Self::ConnectionHeader { name } => {
                write!(f, "a request over HTTP/2 must not have the header {name}")
            }
            Self::Target { target } => {
                write!(f, "the target must be a path on the requested host, received `{target}`")
            }
            Self::Host { host } => {
                write!(f, "the Host header must be a host and a port, received `{host}`")
            }
            Self::WebSocketVersion { version } => {
                write!(f, "the WebSocket version must be 13, received `{version}`")
            }
            Self::Key { key } => {
                write!(f, "the Sec-WebSocket-Key must be 16 bytes in base64, received `{key}`")
            }
            Self::Content => f.write_str("a WebSocket handshake must have no content"),
            Self::Subprotocols(reason) => {
                write!(f, "the Sec-WebSocket-Protocol header is malformed: {reason}")
            }
            Self::Extensions(reason) => {
                write!(f, "the Sec-WebSocket-Extensions header is malformed: {reason}")
            }
            Self::HostRefused { host } => {
                write!(f, "this server does not serve the host `{host}`")
            }
            Self::OriginRefused { origin, host } => {
                write!(f, "origin `{origin}` is not allowed on host `{host}`")
            }
            Self::Refused(refusal) => write!(f, "the request was refused: {refusal}"),
            Self::Status { status, body, .. } if body.is_empty() => {
                write!(f, "the server opened no WebSocket, but answered {status}")
            }
            Self::Status { status, body, .. } => {
                let body = excerpt(body.trim_ascii_end());
                write!(f, "the server opened no WebSocket, but answered {status}: {body}")
            }
            Self::AcceptMismatch { expected, received } => {
                write!(f, "the Sec-WebSocket-Accept must be `{expected}`, received `{received}`")
            }
            Self::UnrequestedSubprotocol { subprotocol } => {
                write!(f, "the server chose subprotocol `{subprotocol}`, which was not requested")
            }
            Self::UnofferedExtension { extension } => {
                write!(f, "the server chose extension `{extension}`, which was not offered")
            }
            #[cfg(feature = "deflate")]
            Self::Deflate(reason) => {
                write!(f, "the server's response to the offered extensions is invalid: {reason}")
            }
        }
    }
}

impl Error for HandshakeError {}

impl From<ExtensionError> for HandshakeError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

impl From<SubprotocolError> for HandshakeError {
    fn from(error: SubprotocolError) -> Self {
        Self::Subprotocols(error)
    }
}

/// The reason why a head is not HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedHead(pub(super) httparse::Error);

impl fmt::Display for MalformedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for MalformedHead {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_error_shows_the_beginning_of_the_content() {
        let error = HandshakeError::Status {
            status: StatusCode::NOT_FOUND,
            headers: Box::default(),
            body: Bytes::new(),
        };
        assert_eq!(error.to_string(), "the server opened no WebSocket, but answered 404 Not Found");
        let error = error.with_body(Bytes::from_static(b"no such room\n"));
        assert_eq!(
            error.to_string(),
            "the server opened no WebSocket, but answered 404 Not Found: no such room"
        );
    }

    #[test]
    fn the_text_ends_with_the_cause_and_the_source_repeats_nothing() {
        for (error, cause) in [
            (ExtensionError::ExpectedToken { at: 3 }.into(), "expected a token at byte 3"),
            (SubprotocolError::TooMany { limit: 64 }.into(), "more than 64 subprotocols"),
        ] {
            let error: HandshakeError = error;
            assert!(error.to_string().ends_with(&format!(": {cause}")), "{error}");
            assert!(error.source().is_none(), "{error:?}");
        }
    }
}
