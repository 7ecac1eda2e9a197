//! The decisions whether and when to retry after an error.

use std::io;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};
use sockeye_proto::handshake::HandshakeError;

use super::proxy::{Reply, TunnelError};
use super::{ConnectError, http_date};

impl ConnectError {
    /// Returns whether the same attempt may succeed later without a change of configuration.
    ///
    /// | transient | permanent |
    /// |---|---|
    /// | names that were not found: the resolver does not distinguish a missing name from a missing network | errors of the program's settings: URL, headers, proxy, `TlsDisabled` |
    /// | addresses and Unix sockets that did not accept, timeouts, transports that failed or ended | all errors of rustls, above all a certificate for another name or of an unknown issuer |
    /// | the statuses 408, 425, 429 and 5xx but 501 and 505, of the server or of an HTTP proxy | other statuses, such as 401, 403, 404 and 407, and responses that break the protocol |
    /// | a SOCKS5 proxy's failure to reach the host | its refusal of the request or the credentials |
    /// | a hook of [`Reconnecting`](crate::reconnect::Reconnecting) that failed | redirects that are not followed, and [`GaveUp`](Self::GaveUp) |
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Io(_)
            | Self::TimedOut { .. }
            | Self::Hook(_) => true,
            #[cfg(unix)]
            Self::Unix { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Tls { source, .. } => is_transport_error(source),
            Self::Proxy { source, .. } => source.is_transient(),
            // The server was stopped while it responded.
            Self::Handshake(HandshakeError::Truncated { .. }) => true,
            Self::Handshake(HandshakeError::Status { status, .. }) => is_transient(*status),
            _ => false,
        }
    }

    /// Returns the delay that the server, or the proxy, requests before the next attempt: the
    /// `Retry-After` of its refusal (RFC 9110 section 10.2.3). A date, in any of the three formats
    /// of HTTP, is relative to the `Date` of the response, so that the local clock need not be
    /// right; without a `Date`, the result is `None`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Handshake(HandshakeError::Status { headers, .. })
            | Self::Proxy { source: TunnelError::Refused { headers, .. }, .. } => {
                requested_delay(headers)
            }
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

/// Returns whether a TLS handshake failed because of its transport: errors of rustls and of an
/// invalid server name have an inner error.
fn is_transport_error(error: &io::Error) -> bool {
    error.get_ref().is_none() || error.kind() == io::ErrorKind::UnexpectedEof
}

fn requested_delay(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.trim());
    let value = text(RETRY_AFTER)?;
    // `parse` would accept a sign.
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return http_date::duration_between(text(DATE)?, value);
    }
    // A number too large to represent is still a request to wait.
    Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))))
}
