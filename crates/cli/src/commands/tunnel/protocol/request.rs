//! The request at the beginning of a stream.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Maximum length of a host or path, in bytes: its length is one byte on the wire. Names have at
/// most 253 bytes (RFC 1035 section 2.3.4), paths of Unix sockets 107.
pub(crate) const MAX_HOST_LENGTH: usize = u8::MAX as usize;

/// Length of the fields before the host.
const HEAD_LENGTH: usize = 6;

/// The purpose of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The client asks for a TCP connection to a host and port.
    Tcp = 0x01,
    /// The client asks for UDP to a host and port. Datagrams follow, each after its length.
    Udp = 0x02,
    /// The client asks for a connection to a Unix socket of the server.
    Unix = 0x03,
    /// The client asks the server to listen on an address.
    Bind = 0x04,
    /// The client asks the server to listen on a Unix socket.
    BindUnix = 0x05,
    /// The server has accepted a connection for the client.
    Accepted = 0x06,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Tcp, Self::Udp, Self::Unix, Self::Bind, Self::BindUnix, Self::Accepted];

    /// Returns the name for logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Bind => "bind",
            Self::BindUnix => "bind-unix",
            Self::Accepted => "accepted",
        }
    }

    /// Returns whether the host is the path of a Unix socket.
    fn is_path(self) -> bool {
        matches!(self, Self::Unix | Self::BindUnix)
    }
}

/// The request of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    /// The number that the client gives to a listening address of the server, and that the server
    /// repeats for each connection that it accepts there. 0 in other requests.
    pub(crate) tag: u16,
    /// 0 for Unix sockets.
    pub(crate) port: u16,
    /// A name or an IP address without brackets, or the path of a Unix socket. Printable, and not
    /// empty.
    pub(crate) host: Box<str>,
}

impl Request {
    /// Creates a request.
    ///
    /// # Errors
    /// The host cannot be sent.
    pub(crate) fn new(kind: Kind, tag: u16, host: &str, port: u16) -> Result<Self, RequestError> {
        check_host(host.as_bytes())?;
        Ok(Self { kind, tag, port, host: host.into() })
    }

    /// Returns the bytes of the request.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let host = self.host.as_bytes();
        let mut bytes = Vec::with_capacity(HEAD_LENGTH + host.len());
        bytes.push(self.kind as u8);
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend(self.port.to_be_bytes());
        // `new` and `read` check the length.
        bytes.push(u8::try_from(host.len()).unwrap_or(u8::MAX));
        bytes.extend(host);
        bytes
    }

    /// Reads the request of a stream, and no byte after it.
    ///
    /// # Errors
    /// The stream ends or fails, or has no valid request.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, RequestError> {
        let mut head = [0; HEAD_LENGTH];
        stream.read_exact(&mut head).await?;
        let [kind, tag_high, tag_low, port_high, port_low, length] = head;
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind);
        let kind = kind.ok_or(RequestError::Kind(head[0]))?;
        let mut host = vec![0; usize::from(length)];
        stream.read_exact(&mut host).await?;
        let host = check_host(&host)?;
        let tag = u16::from_be_bytes([tag_high, tag_low]);
        let port = u16::from_be_bytes([port_high, port_low]);
        Self::new(kind, tag, host, port)
    }

    /// Returns the target as users write it: `host:port`, `[::1]:port` or `unix:path`.
    pub(crate) fn target(&self) -> String {
        let Self { host, port, .. } = self;
        match self.kind {
            kind if kind.is_path() => format!("unix:{host}"),
            _ if host.contains(':') => format!("[{host}]:{port}"),
            _ => format!("{host}:{port}"),
        }
    }
}

/// Returns the host if it is not empty, not too long, and printable, as logs contain it.
fn check_host(host: &[u8]) -> Result<&str, RequestError> {
    let is_short = (1..=MAX_HOST_LENGTH).contains(&host.len());
    let text =
        str::from_utf8(host).ok().filter(|text| is_short && !text.contains(char::is_control));
    text.ok_or(RequestError::Host)
}

/// A stream without a valid request.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The kind is unknown.
    Kind(u8),
    /// The host is empty, longer than [`MAX_HOST_LENGTH`], or no printable UTF-8.
    Host,
    /// The stream ended or failed.
    Io(io::Error),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "the kind of request {kind:#04x} is unknown"),
            Self::Host => write!(f, "a host or path has 1 to {MAX_HOST_LENGTH} printable bytes"),
            Self::Io(error) => write!(f, "the stream has no request: {error}"),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_read_back_and_nothing_after_it() {
        for (kind, tag, host, port, target) in [
            (Kind::Tcp, 0, "example.com", 443, "example.com:443"),
            (Kind::Udp, 0, "::1", 53, "[::1]:53"),
            (Kind::Unix, 0, "/run/a.sock", 0, "unix:/run/a.sock"),
            (Kind::Bind, 7, "0.0.0.0", 0, "0.0.0.0:0"),
            (Kind::BindUnix, 8, "/tmp/b", 0, "unix:/tmp/b"),
            (Kind::Accepted, 65_535, "192.0.2.7", 50_000, "192.0.2.7:50000"),
        ] {
            let request = Request::new(kind, tag, host, port).unwrap();
            let mut bytes = request.encode();
            assert_eq!(bytes.len(), 6 + host.len());
            bytes.extend(b"data");
            let mut rest = &bytes[..];
            assert_eq!(Request::read(&mut rest).await.unwrap(), request);
            assert_eq!((rest, request.target().as_str()), (&b"data"[..], target));
        }
    }

    #[tokio::test]
    async fn every_prefix_of_a_request_is_incomplete() {
        let bytes = Request::new(Kind::Tcp, 0, "example.com", 443).unwrap().encode();
        for length in 0..bytes.len() {
            let error = Request::read(&mut &bytes[..length]).await.unwrap_err();
            assert!(matches!(error, RequestError::Io(_)), "{length}: {error}");
        }
    }

    #[tokio::test]
    async fn unknown_kinds_and_unprintable_hosts_are_errors() {
        for bytes in [&[0, 0, 0, 0, 80, 1, b'a'][..], &[7, 0, 0, 0, 80, 1, b'a']] {
            let error = Request::read(&mut &bytes[..]).await.unwrap_err();
            assert!(matches!(error, RequestError::Kind(kind) if kind == bytes[0]), "{error}");
        }
        for host in [&b""[..], b"\x1b[2J", b"a\nb", b"\xff"] {
            let length = u8::try_from(host.len()).unwrap();
            let bytes = [&[1, 0, 0, 0, 80, length], host].concat();
            let error = Request::read(&mut &bytes[..]).await.unwrap_err();
            assert!(matches!(error, RequestError::Host), "{error}");
        }
        assert!(Request::new(Kind::Tcp, 0, &"a".repeat(256), 1).is_err());
    }
}
