//! The server's side of the PROXY protocol, versions 1 and 2: see "The PROXY protocol" of
//! `HAProxy`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::checksum;

/// The signature of version 2. No HTTP request and no TLS handshake begins with it.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Maximum size of a version 1 header including its line end, in bytes (section 2.1).
const MAX_LINE: usize = 107;

/// Maximum size of a version 2 header beyond its first 16 bytes: 216 of addresses, and extensions
/// that proxies add, such as a certificate's name.
const MAX_LENGTH: u16 = 4096;

/// Size of the fixed part of version 2: the signature, the command, the family and the length of
/// the rest.
const FIXED: usize = 16;

/// The parse result of the beginning of a connection.
#[derive(Debug)]
pub(crate) enum Header {
    /// The header needs at least this many more bytes.
    Needs(usize),
    /// The header is complete.
    Whole {
        /// The size of the header, in bytes.
        size: usize,
        /// `None` when the proxy does not name a client, or connects on its own behalf, as for a
        /// health check.
        client: Option<SocketAddr>,
    },
}

impl Header {
    /// Parses the header at the beginning of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Self> {
        if bytes.len() < SIGNATURE.len() {
            return Ok(Self::Needs(SIGNATURE.len() - bytes.len()));
        }
        if bytes.starts_with(&SIGNATURE) {
            Self::parse_binary(bytes)
        } else {
            Self::parse_text(bytes)
        }
    }

    fn parse_text(bytes: &[u8]) -> io::Result<Self> {
        if !bytes.starts_with(b"PROXY ") {
            return Err(malformed("a PROXY header was expected"));
        }
        let within = &bytes[..bytes.len().min(MAX_LINE)];
        let Some(end) = within.windows(2).position(|end| end == b"\r\n") else {
            // The end of the line can only be found byte by byte.
            return if within.len() < MAX_LINE {
                Ok(Self::Needs(1))
            } else {
                Err(malformed("a PROXY header is too long"))
            };
        };
        let source = parse_line(&bytes[..end]);
        let source = source.ok_or_else(|| malformed("a PROXY header is malformed"))?;
        Ok(Self::Whole { size: end + 2, client: source.client() })
    }

    fn parse_binary(bytes: &[u8]) -> io::Result<Self> {
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
            return Ok(Self::Needs(FIXED - bytes.len()));
        };
        let [.., command, family, high, low] = *fixed;
        let length = u16::from_be_bytes([high, low]);
        if length > MAX_LENGTH {
            return Err(malformed("a PROXY header is too long"));
        }
        let length = usize::from(length);
        let Some(addresses) = rest.get(..length) else {
            return Ok(Self::Needs(length - rest.len()));
        };
        // Section 2.2.3: a receiver that knows the checksum aborts a connection with a wrong one.
        if !checksum::is_intact(&bytes[..FIXED + length], family) {
            return Err(malformed("the checksum of a PROXY header is wrong"));
        }
        let source = match command {
            // LOCAL: the proxy's own connection, such as a health check.
            0x20 => Source::Unknown,
            0x21 => {
                source(family, addresses).ok_or_else(|| malformed("a PROXY header is malformed"))?
            }
            _ => return Err(malformed("a PROXY header is of an unknown version or command")),
        };
        Ok(Self::Whole { size: FIXED + length, client: source.client() })
    }
}

/// Reads a header and no byte beyond it. Returns `None` when the proxy does not name a client.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::with_capacity(MAX_LINE);
    loop {
        match Header::parse(&bytes)? {
            Header::Whole { client, .. } => return Ok(client),
            Header::Needs(more) => {
                let had = bytes.len();
                bytes.resize(had + more, 0);
                stream.read_exact(&mut bytes[had..]).await?;
            }
        }
    }
}

/// The client that a header names, if any.
enum Source {
    Client(SocketAddr),
    Unknown,
}

impl Source {
    const fn client(self) -> Option<SocketAddr> {
        match self {
            Self::Client(client) => Some(client),
            Self::Unknown => None,
        }
    }
}

/// Parses a line without its end; returns `None` when it is malformed.
fn parse_line(line: &[u8]) -> Option<Source> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Source::Unknown);
    }
    let (source, _destination) = (words.next()?, words.next()?);
    let (port, _destination_port) = (words.next()?, words.next()?);
    let source = match family {
        "TCP4" => IpAddr::V4(source.parse::<Ipv4Addr>().ok()?),
        "TCP6" => IpAddr::V6(source.parse::<Ipv6Addr>().ok()?),
        _ => return None,
    };
    let source = SocketAddr::new(source, port.parse().ok()?);
    words.next().is_none().then_some(Source::Client(source))
}

/// Parses the addresses of version 2; returns `None` when they are too short.
fn source(family: u8, addresses: &[u8]) -> Option<Source> {
    let port = |at: usize| Some(u16::from_be_bytes(addresses.get(at..at + 2)?.try_into().ok()?));
    match family {
        // TCP over IPv4: the two addresses, then the two ports.
        0x11 => {
            let source: [u8; 4] = addresses.get(..4)?.try_into().ok()?;
            Some(Source::Client(SocketAddr::new(source.into(), port(8)?)))
        }
        // TCP over IPv6.
        0x21 => {
            let source: [u8; 16] = addresses.get(..16)?.try_into().ok()?;
            Some(Source::Client(SocketAddr::new(source.into(), port(32)?)))
        }
        // Unspecified, datagrams, Unix sockets: none has an IP address of a TCP client.
        _ => Some(Source::Unknown),
    }
}

fn malformed(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// Reads a header that arrives in pieces of each size, and checks that the bytes after it
    /// remain unread.
    async fn read_whole(header: &[u8]) -> io::Result<Option<SocketAddr>> {
        let mut results = Vec::new();
        for size in [1, 5, 1024] {
            let (mut near, mut far) = duplex(size);
            let sent = [header, b"GET / HTTP/1.1"].concat();
            tokio::spawn(async move { near.write_all(&sent).await });
            let result = read(&mut far).await;
            if result.is_ok() {
                let mut rest = String::new();
                far.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "GET / HTTP/1.1");
            }
            results.push(result);
        }
        results.remove(0)
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses].concat()
    }

    #[tokio::test]
    async fn a_line_tells_the_source() {
        let of = async |line: &str| read_whole(line.as_bytes()).await.unwrap();
        let source = of("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n").await;
        assert_eq!(source, Some("203.0.113.7:56324".parse().unwrap()));
        let source = of("PROXY TCP6 2001:db8::7 ::1 56324 443\r\n").await;
        assert_eq!(source, Some("[2001:db8::7]:56324".parse().unwrap()));
        assert_eq!(of("PROXY UNKNOWN\r\n").await, None);
        assert_eq!(of("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").await, None);
    }

    #[tokio::test]
    async fn binary_headers_tell_the_source() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0xdc, 0x04, 1, 0xbb, 0x20, 0, 1, 9];
        let source = read_whole(&binary(0x21, 0x11, &v4)).await.unwrap();
        assert_eq!(source, Some("203.0.113.7:56324".parse().unwrap()));
        let mut v6 = [0; 36];
        (v6[0], v6[1], v6[15], v6[32], v6[33]) = (0x20, 0x01, 7, 0xdc, 0x04);
        let source = read_whole(&binary(0x21, 0x21, &v6)).await.unwrap();
        assert_eq!(source, Some("[2001::7]:56324".parse().unwrap()));
        assert_eq!(read_whole(&binary(0x20, 0x11, &v4)).await.unwrap(), None);
        assert_eq!(read_whole(&binary(0x21, 0x31, &[0; 216])).await.unwrap(), None);
        assert_eq!(read_whole(&binary(0x20, 0, &[])).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_wrong_checksum_is_refused() {
        let checksum = [0x49, 0x8c, 0xd3, 0x90];
        let rest = |checksum: [u8; 4]| {
            let addresses = [203, 0, 113, 7, 10, 0, 0, 1, 0xdc, 0x04, 1, 0xbb];
            [&addresses[..], &[0x20, 0, 1, 9, 0x03, 0, 4], &checksum, &[0x04, 0, 0]].concat()
        };
        let source = read_whole(&binary(0x21, 0x11, &rest(checksum))).await.unwrap();
        assert_eq!(source, Some("203.0.113.7:56324".parse().unwrap()));
        let error = read_whole(&binary(0x21, 0x11, &rest([1, 2, 3, 4]))).await.unwrap_err();
        assert_eq!(error.to_string(), "the checksum of a PROXY header is wrong");
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for line in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 56324\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 70000 1\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 1 2 3\r\n",
            "PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n",
            &long,
        ] {
            let error = read_whole(line.as_bytes()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{line}");
        }
        for header in [
            binary(0x22, 0x11, &[0; 12]),
            binary(0x31, 0x11, &[0; 12]),
            binary(0x21, 0x11, &[0; 9]),
            binary(0x20, 0, &[0; 5000]),
        ] {
            let error = read_whole(&header).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
