//! Whether to try again, and when: what an error says about that.

use std::io;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};
use sockeye_proto::handshake::HandshakeError;

use super::proxy::{Reply, TunnelError};
use super::{ConnectError, http_date};

impl ConnectError {
    /// Whether the same attempt may succeed later without anybody changing anything.
    ///
    /// | transient | not |
    /// |---|---|
    /// | names that were not found: the resolver does not tell a missing name from a missing network | what the program asked for: URL, headers, proxy, `TlsDisabled` |
    /// | addresses and Unix sockets that did not accept, deadlines, transports that failed or ended | whatever rustls found wrong, a certificate of another name or of unknown issuer above all |
    /// | the statuses 408, 425, 429 and 5xx but 501 and 505, of the server or of an HTTP proxy | other statuses, such as 401, 403, 404 and 407, and answers that break the protocol |
    /// | a SOCKS5 proxy's failure to reach the host | its refusal of the request or the credentials |
    /// | a hook of [`Reconnecting`](crate::reconnect::Reconnecting) that failed | redirects that are not followed, and having given up |
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Io(_)
            | Self::TimedOut { .. }
            | Self::Hook(_) => true,
            #[cfg(unix)]
            Self::Unix { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Tls { source, .. } => is_of_the_transport(source),
            Self::Proxy { source, .. } => source.is_transient(),
            // A server that was stopped while it answered.
            Self::Handshake(HandshakeError::Truncated { .. }) => true,
            Self::Handshake(HandshakeError::Status { status, .. }) => is_transient(*status),
            _ => false,
        }
    }

    /// How long the server, or the proxy, asks us to wait before the next attempt: the `Retry-After` of its refusal
    /// (RFC 9110 section 10.2.3). A date, in any of the three formats of HTTP, counts from the answer's own `Date`, so that our clock need not be right; without
    /// one it is `None`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Handshake(HandshakeError::Status { headers, .. })
            | Self::Proxy { source: TunnelError::Refused { headers, .. }, .. } => wait(headers),
            _ => None,
        }
    }
}

impl TunnelError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Io(_) | Self::Answer(HandshakeError::Truncated { .. }) => true,
            Self::Refused { status, .. } => is_transient(*status),
            Self::Reply(reply) => matches!(
                *reply,
                Reply::GENERAL_FAILURE
                    | Reply::NETWORK_UNREACHABLE
                    | Reply::HOST_UNREACHABLE
                    | Reply::CONNECTION_REFUSED
                    | Reply::TTL_EXPIRED
            ),
            _ => false,
        }
    }
}

fn is_transient(status: StatusCode) -> bool {
    match status {
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => true,
        _ => status.is_server_error(),
    }
}

/// Whether a TLS handshake failed for its transport: what rustls has to say comes within an error, and so does a name
/// that is none.
fn is_of_the_transport(error: &io::Error) -> bool {
    error.get_ref().is_none() || error.kind() == io::ErrorKind::UnexpectedEof
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.trim());
    let value = text(RETRY_AFTER)?;
    // `parse` would take a sign.
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return http_date::between(text(DATE)?, value);
    }
    // A number beyond all bounds is still a wish to wait.
    Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))))
}
