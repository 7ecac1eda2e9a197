//! A host with an optional port, as in the Host and Origin headers (RFC 9110 sections 4.2 and 7.2).

use std::net::Ipv6Addr;

/// A host and a port, borrowed from a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// A name, an IPv4 address or an IPv6 address in brackets, as received.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses a host with an optional port. Returns `None` for anything else: user information, for
    /// one, is not allowed in either header.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let host_end = if let Some(inner) = text.strip_prefix('[') {
            let closing = inner.find(']')?;
            // No IP version after 6 is defined (RFC 3986 section 3.2.2).
            inner[..closing].parse::<Ipv6Addr>().ok()?;
            closing + 2
        } else {
            let end = text.find(':').unwrap_or(text.len());
            if end == 0 || !text[..end].bytes().all(is_host_byte) {
                return None;
            }
            end
        };
        let (host, rest) = text.split_at(host_end);
        let port = match rest.strip_prefix(':') {
            // A colon without a port is the default port (RFC 3986 section 3.2.3).
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Returns whether both have the same host and port, for a scheme with this default port.
    pub(super) fn is_same(self, other: Authority<'_>, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// Returns the default port of a scheme of pages or WebSockets, in upper or lower case; `None` for
/// another scheme (RFC 9110 section 4.2, RFC 6455 section 3).
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    [("http", 80), ("ws", 80), ("https", 443), ("wss", 443)]
        .into_iter()
        .find_map(|(known, port)| known.eq_ignore_ascii_case(scheme).then_some(port))
}

/// Returns whether the byte is a letter, a digit or another character of a registered name,
/// including the percent sign (RFC 3986 section 3.2.2).
const fn is_host_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$'
            | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(&str, Option<u16>)> {
        Authority::parse(text).map(|authority| (authority.host, authority.port))
    }

    #[test]
    fn hosts_and_ports_are_separated() {
        assert_eq!(parse("example.com"), Some(("example.com", None)));
        assert_eq!(parse("example.com:8080"), Some(("example.com", Some(8080))));
        assert_eq!(parse("example.com:"), Some(("example.com", None)));
        assert_eq!(parse("[::1]"), Some(("[::1]", None)));
        assert_eq!(parse("[::1]:9"), Some(("[::1]", Some(9))));
        assert_eq!(parse("[::ffff:192.0.2.1]:9"), Some(("[::ffff:192.0.2.1]", Some(9))));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            ":80",
            "a b",
            "a/b",
            "user@a",
            "a:b",
            "a:+1",
            "a:65536",
            "::1",
            "[::1",
            "[]",
            "[::1]80",
            "[g::1]",
            "[:81]",
            "[1:2]",
            "[192.0.2.1]",
            "[::1%1]",
            "a?b",
            "a#b",
            "é",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ports_are_compared_with_the_default_filled_in() {
        let same = |a, b| Authority::parse(a).unwrap().is_same(Authority::parse(b).unwrap(), 80);
        assert!(same("Example.com", "eXample.COM:80"));
        assert!(!same("example.com", "example.com:81"));
        assert!(!same("example.com", "www.example.com"));
    }
}
