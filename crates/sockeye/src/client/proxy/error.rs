//! Errors of proxy URLs and proxy handshakes.

use std::{error, fmt, io};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sockeye_proto::ErrorChain;
use sockeye_proto::handshake::HandshakeError;

use super::Reply;
use crate::opening::HeadError;

/// The reason why a URL is not a valid [`Proxy`](super::Proxy). The error does not quote the URL,
/// which may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// The URL does not begin with a scheme and `://`.
    MissingScheme,
    /// The scheme is neither `http` nor `socks5`.
    Scheme,
    /// The proxy requires TLS, which this client does not support.
    Https,
    /// SOCKS version 4, which this client does not support.
    Socks4,
    /// The URL has no host.
    MissingHost,
    /// The part after the scheme and credentials is not a host with an optional port.
    Authority,
    /// The URL has a path, a query or a fragment.
    Path,
    /// A percent sign without two hexadecimal digits.
    PercentEncoding,
    /// A user name with a colon, which HTTP cannot carry (RFC 7617 section 2).
    ColonInUser,
    /// A control character in the credentials, which HTTP forbids (RFC 7617 section 2).
    ControlCharacter,
    /// A user name or password that is not 1 to 255 bytes long, as SOCKS5 requires of both (RFC
    /// 1929 section 2).
    CredentialLength {
        /// The length of the user name or password, in bytes.
        length: usize,
    },
}

/// The reason why a proxy did not connect the client to the host.
#[derive(Debug)]
#[non_exhaustive]
pub enum TunnelError {
    /// The connection to the proxy failed, or ended.
    Io(io::Error),
    /// The response of an HTTP proxy is not HTTP, or exceeds a limit.
    Answer(HandshakeError),
    /// The HTTP proxy refused; with 407 it requires other credentials.
    Refused {
        /// The status of the response.
        status: StatusCode,
        /// The headers of the response, within the client's `head_limits`.
        headers: Box<HeaderMap>,
        /// The beginning of the response's content, at most 1 KiB.
        body: Bytes,
    },
    /// The HTTP proxy sent bytes after its response, before the client had sent anything to the
    /// host.
    EarlyInput {
        /// The number of those bytes.
        length: usize,
    },
    /// The SOCKS proxy speaks another version.
    Version {
        /// The first byte of the proxy's reply, which must be 5, or 1 in the reply to credentials.
        version: u8,
    },
    /// The SOCKS proxy accepts none of the offered authentication methods: it requires credentials,
    /// or none.
    NoAcceptableMethod,
    /// The SOCKS proxy chose an authentication method that the client had not offered.
    UnofferedMethod {
        /// The method's number in RFC 1928 section 3.
        method: u8,
    },
    /// The SOCKS proxy refused the user name or password (RFC 1929 section 2).
    CredentialsRefused {
        /// The status, which is not 0.
        status: u8,
    },
    /// The host name is too long for SOCKS5.
    HostTooLong {
        /// The length of the host name, in bytes, which exceeds 255.
        length: usize,
    },
    /// The SOCKS proxy could not connect to the host, or refused.
    Reply(Reply),
    /// The SOCKS proxy's reply has an address of an unknown type.
    AddressType {
        /// The type, which must be 1, 3 or 4.
        address_type: u8,
    },
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingScheme => {
                f.write_str("a proxy is written as `http://host:port` or `socks5://host:port`")
            }
            Self::Scheme => f.write_str("a proxy's scheme must be `http` or `socks5`"),
            Self::Https => f.write_str("proxies over TLS (`https`) are not supported; use `http`"),
            Self::Socks4 => f.write_str("SOCKS version 4 is not supported; use `socks5`"),
            Self::MissingHost => f.write_str("the proxy's URL has no host"),
            Self::Authority => f.write_str("the proxy's host or port is malformed"),
            Self::Path => {
                f.write_str("a proxy's URL has no path; write a `/` in a password as `%2F`")
            }
            Self::PercentEncoding => f.write_str(
                "a percent sign must be followed by two hexadecimal digits; `%25` is a literal one",
            ),
            Self::ColonInUser => f.write_str("HTTP cannot carry a user name with a colon"),
            Self::ControlCharacter => {
                f.write_str("HTTP cannot carry control characters in user name or password")
            }
            Self::CredentialLength { length } => write!(
                f,
                "SOCKS5 requires a user name and a password of 1 to 255 bytes, not of {length}"
            ),
        }
    }
}

impl error::Error for ProxyUrlError {}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(source) => {
                write!(f, "the connection to the proxy failed: {}", ErrorChain(source))
            }
            Self::Answer(source) => {
                write!(f, "the proxy's answer cannot be understood: {source}")
            }
            Self::Refused { status, body, .. } if body.is_empty() => {
                write!(f, "the proxy answered {status}")
            }
            Self::Refused { status, body, .. } => {
                write!(f, "the proxy answered {status}: {}", body.escape_ascii())
            }
            Self::EarlyInput { length } => {
                write!(f, "the proxy sent {length} bytes before anything was sent to the host")
            }
            Self::Version { version } => {
                write!(f, "the proxy does not speak SOCKS5: its answer begins with {version:#04x}")
            }
            Self::NoAcceptableMethod => {
                f.write_str("the proxy accepts none of the offered authentication methods")
            }
            Self::UnofferedMethod { method } => {
                write!(
                    f,
                    "the proxy selected authentication method {method:#04x}, which was not offered"
                )
            }
            Self::CredentialsRefused { status } => {
                write!(f, "the proxy refused the user name or password (status {status})")
            }
            Self::HostTooLong { length } => {
                write!(
                    f,
                    "the host name of {length} bytes is over the limit of 255 bytes in SOCKS5"
                )
            }
            Self::Reply(reply) => write!(f, "the proxy answered: {reply}"),
            Self::AddressType { address_type } => {
                write!(f, "the proxy's answer has an address of unknown type {address_type:#04x}")
            }
        }
    }
}

impl error::Error for TunnelError {}

impl From<io::Error> for TunnelError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HandshakeError> for TunnelError {
    fn from(error: HandshakeError) -> Self {
        Self::Answer(error)
    }
}

impl From<HeadError> for TunnelError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Handshake(HandshakeError::Status { status, headers, body }) => {
                Self::Refused { status, headers, body }
            }
            HeadError::Handshake(error) => Self::Answer(error),
            HeadError::Io(error) => Self::Io(error),
        }
    }
}
