//! WebSocket URLs (RFC 6455 section 3).

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::RequestError;
use super::authority::Authority;
use crate::excerpt::excerpt;

/// A `ws` or `wss` URL.
///
/// ```
/// use sockeye_proto::handshake::Url;
///
/// let url: Url = "wss://example.com/chat?room=1".parse()?;
/// assert_eq!((url.is_secure(), url.host(), url.port()), (true, "example.com", 443));
/// assert_eq!((url.authority(), url.target()), ("example.com", "/chat?room=1"));
/// # Ok::<_, sockeye_proto::handshake::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    /// Without the port if it is the scheme's default.
    authority: String,
    /// How much of the authority is the host.
    host_length: usize,
    port: u16,
    target: String,
}

impl Url {
    /// Whether the scheme is `wss`: the connection uses TLS.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to: a name or an address, an IPv6 one without its brackets.
    pub fn host(&self) -> &str {
        self.authority[..self.host_length].trim_matches(['[', ']'])
    }

    /// The port: that of the URL, else 80 for `ws` and 443 for `wss`.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host header: the host, and the port unless it is the scheme's default.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path and query, as they are asked for: what no URL can have is percent-encoded.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The same place with another path and query.
    ///
    /// # Errors
    /// [`RequestError::MalformedUrl`] or [`RequestError::Fragment`] when it is not a path and a query.
    pub fn with_target(&self, target: &str) -> Result<Self, RequestError> {
        if target.contains('#') {
            return Err(RequestError::Fragment);
        }
        let encoded = encode(target);
        let target = encoded.ok_or_else(|| RequestError::MalformedUrl { url: excerpt(target) })?;
        Ok(Self { target, ..self.clone() })
    }
}

impl FromStr for Url {
    type Err = RequestError;

    /// Parses a URL.
    ///
    /// User information is refused, as some programs would log the URL: send an `Authorization` header. So are
    /// fragments, which never reach a server.
    fn from_str(text: &str) -> Result<Self, RequestError> {
        let malformed = || RequestError::MalformedUrl { url: excerpt(text) };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(malformed());
        };
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(RequestError::Scheme { scheme: excerpt(scheme) }),
        };
        //= https://www.rfc-editor.org/rfc/rfc6455#section-3
        //# Fragment identifiers are meaningless in the context of WebSocket URIs
        //# and MUST NOT be used on these URIs.
        if text.contains('#') {
            return Err(RequestError::Fragment);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(RequestError::UserInfo);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(RequestError::MissingHost);
        }
        let Authority { host, port } = Authority::parse(authority).ok_or_else(malformed)?;
        let target = encode(target).ok_or_else(malformed)?;
        let host_length = host.len();
        let default_port = if secure { 443 } else { 80 };
        let port = port.unwrap_or(default_port);
        let authority =
            if port == default_port { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self { secure, authority, host_length, port, target })
    }
}

/// The path and query as a request may have them; `None` when there is a space or a control character.
fn encode(text: &str) -> Option<String> {
    let mut target = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        target.push('/');
    }
    for byte in text.bytes() {
        match byte {
            //= https://www.rfc-editor.org/rfc/rfc6455#section-11.1.1
            //# Characters in other components that are excluded by the syntax
            //# defined above MUST be converted from Unicode to ASCII by first
            //# encoding the characters as UTF-8 and then replacing the
            //# corresponding bytes using their percent-encoded form
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                let _ = write!(target, "%{byte:02X}");
            }
            b'!'..=b'~' => target.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(target)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Url, RequestError> {
        url.parse()
    }

    #[test]
    fn the_parts_of_a_url_are_found() {
        for (text, secure, host, port, authority, target) in [
            ("ws://example.com", false, "example.com", 80, "example.com", "/"),
            ("WSS://example.com/a?b", true, "example.com", 443, "example.com", "/a?b"),
            ("ws://example.com:8080/", false, "example.com", 8080, "example.com:8080", "/"),
            ("wss://example.com:443/", true, "example.com", 443, "example.com", "/"),
            ("wss://example.com:80/", true, "example.com", 80, "example.com:80", "/"),
            ("ws://example.com:/x", false, "example.com", 80, "example.com", "/x"),
            ("ws://example.com?q=/@", false, "example.com", 80, "example.com", "/?q=/@"),
            ("ws://[::1]:9/", false, "::1", 9, "[::1]:9", "/"),
            ("ws://[::1]", false, "::1", 80, "[::1]", "/"),
            ("ws://127.0.0.1:1/", false, "127.0.0.1", 1, "127.0.0.1:1", "/"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.is_secure(), secure, "{text}");
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!((url.authority(), url.target()), (authority, target), "{text}");
            assert_eq!(parse(&url.to_string()), Ok(url), "{text}");
        }
    }

    #[test]
    fn what_a_path_cannot_have_is_percent_encoded() {
        for (text, target) in [
            ("ws://a/é?ü=😀", "/%C3%A9?%C3%BC=%F0%9F%98%80"),
            ("ws://a?q={\"b\"}", "/?q=%7B%22b%22%7D"),
            ("ws://a/%C3%A9/b[0]?c=%25", "/%C3%A9/b[0]?c=%25"),
        ] {
            assert_eq!(parse(text).unwrap().target(), target, "{text}");
        }
    }

    #[test]
    fn another_scheme_is_named() {
        for scheme in ["http", "https", "ftp", ""] {
            let error = parse(&format!("{scheme}://example.com/")).unwrap_err();
            assert_eq!(error, RequestError::Scheme { scheme: scheme.into() });
        }
    }

    #[test]
    fn what_cannot_be_connected_to_is_refused() {
        assert_eq!(parse("ws:///path"), Err(RequestError::MissingHost));
        assert_eq!(parse("ws://"), Err(RequestError::MissingHost));
        assert_eq!(parse("ws://:80/"), Err(RequestError::MissingHost));
        assert_eq!(parse("ws://a/b#c"), Err(RequestError::Fragment));
        assert_eq!(parse("ws://user:secret@a/b"), Err(RequestError::UserInfo));
        for text in ["", "example.com", "example.com:80", "ws://a b/", "ws://a:port/", "ws://[::1/"]
        {
            assert!(matches!(parse(text), Err(RequestError::MalformedUrl { .. })), "{text}");
        }
        for text in ["ws://a:65536/", "ws://a:-1/", "ws://é/", "ws://a/b c", "ws://a/\u{7f}"] {
            assert!(matches!(parse(text), Err(RequestError::MalformedUrl { .. })), "{text}");
        }
        for text in ["ws://[::1]x/", "ws://[::1]80/", "ws://a[b]/", "ws://[a/", "ws://a]/"] {
            assert!(matches!(parse(text), Err(RequestError::MalformedUrl { .. })), "{text}");
        }
    }
}
