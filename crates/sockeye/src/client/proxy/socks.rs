//! Tunnels through SOCKS version 5 (RFC 1928), with user name and password (RFC 1929).

use std::fmt;
use std::net::IpAddr;

use sockeye_proto::handshake::Url;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Credentials, TunnelError};

const VERSION: u8 = 0x05;

/// The version of the negotiation of RFC 1929, which is numbered separately.
const CREDENTIALS_VERSION: u8 = 0x01;

const NO_AUTHENTICATION: u8 = 0x00;
const USER_AND_PASSWORD: u8 = 0x02;
const NONE_ACCEPTABLE: u8 = 0xff;

const CONNECT: u8 = 0x01;

const IPV4: u8 = 0x01;
const DOMAIN_NAME: u8 = 0x03;
const IPV6: u8 = 0x04;

/// The reason why a SOCKS5 proxy did not connect: the number of its reply (RFC 1928 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(u8);

impl Reply {
    const SUCCEEDED: Self = Self(0x00);
    /// A failure that has no other number.
    pub const GENERAL_FAILURE: Self = Self(0x01);
    /// The proxy's rules forbid the connection.
    pub const NOT_ALLOWED: Self = Self(0x02);
    /// The proxy has no route to the host's network.
    pub const NETWORK_UNREACHABLE: Self = Self(0x03);
    /// The proxy has no route to the host, or could not resolve its name.
    pub const HOST_UNREACHABLE: Self = Self(0x04);
    /// The host refused the connection.
    pub const CONNECTION_REFUSED: Self = Self(0x05);
    /// The connection took too many hops, or too long.
    pub const TTL_EXPIRED: Self = Self(0x06);
    /// The proxy does not open connections.
    pub const COMMAND_NOT_SUPPORTED: Self = Self(0x07);
    /// The proxy does not accept host names, or addresses of this family.
    pub const ADDRESS_TYPE_NOT_SUPPORTED: Self = Self(0x08);
}

impl From<u8> for Reply {
    fn from(number: u8) -> Self {
        Self(number)
    }
}

impl From<Reply> for u8 {
    fn from(reply: Reply) -> Self {
        reply.0
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::GENERAL_FAILURE => "general failure",
            Self::NOT_ALLOWED => "not allowed by the proxy's rules",
            Self::NETWORK_UNREACHABLE => "network unreachable",
            Self::HOST_UNREACHABLE => "host unreachable",
            Self::CONNECTION_REFUSED => "connection refused",
            Self::TTL_EXPIRED => "TTL expired",
            Self::COMMAND_NOT_SUPPORTED => "command not supported",
            Self::ADDRESS_TYPE_NOT_SUPPORTED => "address type not supported",
            Self(number) => return write!(f, "unassigned reply {number:#04x}"),
        })
    }
}

/// Requests a connection to the URL's host; on success the stream carries that connection.
///
/// Reads only the exact length of each reply, so that no bytes of the host are consumed.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    url: &Url,
    credentials: Option<&Credentials>,
) -> Result<(), TunnelError> {
    let request = request(url)?;
    authenticate(stream, credentials).await?;
    send(stream, &request).await?;
    let [version, reply] = receive(stream).await?;
    check_version(version, VERSION)?;
    // A proxy that refuses need not send the rest.
    if Reply(reply) != Reply::SUCCEEDED {
        return Err(TunnelError::Reply(Reply(reply)));
    }
    let [_reserved, address_type] = receive(stream).await?;
    let address_length = match address_type {
        IPV4 => 4,
        IPV6 => 16,
        DOMAIN_NAME => {
            let [length] = receive(stream).await?;
            usize::from(length)
        }
        address_type => return Err(TunnelError::AddressType { address_type }),
    };
    // The address and port that the proxy connects from are not used.
    let mut bound = [0; 255 + 2];
    stream.read_exact(&mut bound[..address_length + 2]).await?;
    Ok(())
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    credentials: Option<&Credentials>,
) -> Result<(), TunnelError> {
    let offered: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(stream, offered).await?;
    let [version, method] = receive(stream).await?;
    check_version(version, VERSION)?;
    match (method, credentials) {
        (NO_AUTHENTICATION, _) => Ok(()),
        (USER_AND_PASSWORD, Some(credentials)) => present(stream, credentials).await,
        (NONE_ACCEPTABLE, _) => Err(TunnelError::NoAcceptableMethod),
        (method, _) => Err(TunnelError::UnofferedMethod { method }),
    }
}

async fn present<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    credentials: &Credentials,
) -> Result<(), TunnelError> {
    let mut bytes = vec![CREDENTIALS_VERSION];
    for credential in [&credentials.user, &credentials.password] {
        // The length was checked when the credentials were parsed.
        bytes.push(u8::try_from(credential.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(credential);
    }
    send(stream, &bytes).await?;
    let [version, status] = receive(stream).await?;
    check_version(version, CREDENTIALS_VERSION)?;
    //= https://www.rfc-editor.org/rfc/rfc1929#section-2
    //# A STATUS field of X'00' indicates success.
    match status {
        0 => Ok(()),
        status => Err(TunnelError::CredentialsRefused { status }),
    }
}

/// Encodes the request of RFC 1928 section 4. Host names are sent as names: the proxy resolves
/// them.
fn request(url: &Url) -> Result<Vec<u8>, TunnelError> {
    let mut request = vec![VERSION, CONNECT, 0];
    let host = url.host();
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len())
                .map_err(|_| TunnelError::HostTooLong { length: host.len() })?;
            request.extend_from_slice(&[DOMAIN_NAME, length]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&url.port().to_be_bytes());
    Ok(request)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), TunnelError> {
    stream.write_all(bytes).await?;
    Ok(stream.flush().await?)
}

async fn receive<S: AsyncRead + Unpin, const N: usize>(
    stream: &mut S,
) -> Result<[u8; N], TunnelError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

const fn check_version(version: u8, expected: u8) -> Result<(), TunnelError> {
    if version == expected { Ok(()) } else { Err(TunnelError::Version { version }) }
}
