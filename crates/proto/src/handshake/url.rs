//! WebSocket URLs (RFC 6455 section 3).

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::authority::Authority;
use super::{BasicCredentials, RequestError};
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
    /// Host and port, without the port if it is the scheme's default.
    authority: String,
    /// Length of the host at the start of `authority`, in bytes.
    host_length: usize,
    port: u16,
    /// The interface of a link-local address, which is meaningful on this machine only.
    zone: Option<Box<str>>,
    target: String,
}

impl Url {
    /// Returns whether the scheme is `wss`: the connection uses TLS.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the host to connect to: an ASCII name or an address, without the brackets and the
    /// zone of an IPv6 address.
    pub fn host(&self) -> &str {
        self.authority[..self.host_length].trim_matches(['[', ']'])
    }

    /// Returns the zone of an IPv6 address, which is the interface of a link-local address: `eth0`
    /// in `ws://[fe80::1%25eth0]/` (RFC 6874). The zone is meaningful on this machine only, and is
    /// not sent.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Returns the port: that of the URL, or else 80 for `ws` and 443 for `wss`.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of the Host header: the host, and the port unless it is the scheme's
    /// default.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path and query as a request contains them: characters that a URL cannot have are
    /// percent-encoded.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Parses a URL that may have a user name and a password, which are returned separately and
    /// removed from the URL.
    ///
    /// ```
    /// use sockeye_proto::handshake::Url;
    ///
    /// let (url, credentials) = Url::parse_with_credentials("wss://ada:p%40ss@example.com/")?;
    /// assert_eq!(url.to_string(), "wss://example.com/");
    /// let credentials = credentials.expect("there is a user name");
    /// assert_eq!((credentials.user(), credentials.password()), ("ada", "p@ss"));
    /// # Ok::<_, sockeye_proto::handshake::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// The errors of this type's `FromStr`; [`RequestError::Credentials`] when HTTP cannot carry
    /// the credentials.
    pub fn parse_with_credentials(
        text: &str,
    ) -> Result<(Self, Option<BasicCredentials>), RequestError> {
        let authority_begin = text.find("://").map_or(text.len(), |end| end + 3);
        let rest = &text[authority_begin..];
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let Some((userinfo, _)) = authority.rsplit_once('@') else {
            return Ok((text.parse()?, None));
        };
        let credentials = BasicCredentials::from_userinfo(userinfo)?;
        let after = &rest[userinfo.len() + 1..];
        let url = format!("{}{after}", &text[..authority_begin]).parse()?;
        Ok((url, Some(credentials)))
    }

    /// Returns this URL with another path and query.
    ///
    /// # Errors
    /// [`RequestError::Fragment`] when `target` has a `#`; [`RequestError::MalformedUrl`] when it
    /// has a control character.
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

    /// Parses a URL, and converts it to the form that may be sent (RFC 6455 section 11.1.1):
    /// characters that a path or a query cannot have, including spaces, are percent-encoded, and
    /// with the feature `idna` a Unicode host is converted to ASCII. Without that feature, and on
    /// wasm32, a Unicode host is refused.
    ///
    /// User information is refused, because some programs would log the URL:
    /// [`Url::parse_with_credentials`] accepts it. Fragments are refused, because they never reach
    /// a server.
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
        let (authority, zone) = split_zone(authority).ok_or_else(malformed)?;
        let authority = ascii(&authority)?;
        let Authority { host, port } = Authority::parse(&authority).ok_or_else(malformed)?;
        let target = encode(target).ok_or_else(malformed)?;
        let host_length = host.len();
        let default_port = if secure { 443 } else { 80 };
        let port = port.unwrap_or(default_port);
        let authority =
            if port == default_port { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self { secure, authority, host_length, port, zone, target })
    }
}

/// Splits the zone of an IPv6 address from an authority. The zone is written `%25eth0` in URLs, or
/// `%eth0` by users (RFC 9844). Returns `None` when the zone is malformed.
fn split_zone(authority: &str) -> Option<(Cow<'_, str>, Option<Box<str>>)> {
    let Some((address, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once('%'))
    else {
        return Some((authority.into(), None));
    };
    let (zone, port) = rest.split_once(']')?;
    //= https://www.rfc-editor.org/rfc/rfc6874#section-2
    //# Thus, the scoped address fe80::a%en1 would appear in a URI as
    //# http://[fe80::a%25en1].
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if zone.is_empty() || !zone.bytes().all(is_unreserved) {
        return None;
    }
    Some((format!("[{address}]{port}").into(), Some(zone.into())))
}

/// Converts the host of an authority to ASCII.
fn ascii(authority: &str) -> Result<Cow<'_, str>, RequestError> {
    if authority.is_ascii() {
        return Ok(authority.into());
    }
    let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    //= https://www.rfc-editor.org/rfc/rfc6455#section-11.1.1
    //# The domain name of the host component of the URI is converted from Unicode to
    //# ASCII
    let Some(host) = to_ascii(host) else {
        let host = host.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(RequestError::InvalidHost { host });
    };
    Ok(format!("{host}{port}").into())
}

#[cfg(all(feature = "idna", not(target_family = "wasm")))]
fn to_ascii(host: &str) -> Option<String> {
    idna::domain_to_ascii_strict(host).ok()
}

#[cfg(not(all(feature = "idna", not(target_family = "wasm"))))]
fn to_ascii(_: &str) -> Option<String> {
    None
}

/// Percent-encodes a path and query for a request. Returns `None` when `text` has a control
/// character.
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
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
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
        let Some(zone) = &self.zone else {
            return write!(f, "{scheme}://{}{}", self.authority, self.target);
        };
        // The zone precedes the bracket that closes the host.
        let (address, port) = self.authority.split_at(self.host_length - 1);
        write!(f, "{scheme}://{address}%25{zone}{port}{}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::CredentialsError;

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
            ("ws://a/b c?d e", false, "a", 80, "a", "/b%20c?d%20e"),
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
    fn a_zone_is_for_this_machine_only() {
        for text in ["ws://[fe80::1%25eth0]:9/x", "ws://[fe80::1%eth0]:9/x"] {
            let url = parse(text).unwrap();
            assert_eq!((url.host(), url.zone()), ("fe80::1", Some("eth0")), "{text}");
            assert_eq!((url.authority(), url.port()), ("[fe80::1]:9", 9), "{text}");
            assert_eq!(url.to_string(), "ws://[fe80::1%25eth0]:9/x");
            assert_eq!(parse(&url.to_string()), Ok(url.clone()), "{text}");
            assert_eq!(url.with_target("/y").unwrap().zone(), Some("eth0"));
        }
        assert_eq!(parse("wss://[fe80::1%25]").unwrap().zone(), Some("25"));
        for text in
            ["ws://[fe80::1%]/", "ws://[fe80::1%25a b]/", "ws://[fe80::1%a%b]/", "ws://a%25b]"]
        {
            assert!(matches!(parse(text), Err(RequestError::MalformedUrl { .. })), "{text}");
        }
    }

    #[cfg(all(feature = "idna", not(target_family = "wasm")))]
    #[test]
    fn a_unicode_host_is_converted_to_ascii() {
        for (text, authority) in [
            ("ws://bücher.example/", "xn--bcher-kva.example"),
            ("ws://BÜCHER.example:81/ü", "xn--bcher-kva.example:81"),
            ("wss://例え。テスト:443/", "xn--r8jz45g.xn--zckzah"),
            ("ws://faß.example", "xn--fa-hia.example"),
        ] {
            assert_eq!(parse(text).unwrap().authority(), authority, "{text}");
        }
        for text in ["ws://é b/", "ws://a\u{200b}\u{ad}é..b/", "ws://\u{202e}/"] {
            assert!(matches!(parse(text), Err(RequestError::InvalidHost { .. })), "{text}");
        }
    }

    #[test]
    fn credentials_are_taken_out_where_that_is_asked_for() {
        let parse = Url::parse_with_credentials;
        let (url, credentials) = parse("ws://ad%61:s:e%40c@[::1]:9/x?y@z").unwrap();
        assert_eq!(url.to_string(), "ws://[::1]:9/x?y@z");
        let credentials = credentials.unwrap();
        assert_eq!((credentials.user(), credentials.password()), ("ada", "s:e@c"));
        assert!(!format!("{credentials:?}").contains("ada"), "{credentials:?}");
        let (_, credentials) = parse("ws://ada@a").unwrap();
        assert_eq!(credentials.unwrap().password(), "");
        assert_eq!(parse("ws://a/b@c").unwrap().1, None);
        for (text, expected) in [
            ("ws://a%3Ab:c@d", CredentialsError::ColonInUser),
            ("ws://a:%0a@d", CredentialsError::ControlCharacter),
            ("ws://a:%zz@d", CredentialsError::PercentEncoding),
            ("ws://a:%ff@d", CredentialsError::PercentEncoding),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected.into(), "{text}");
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
        for text in ["ws://a:65536/", "ws://a:-1/", "ws://a/b\tc", "ws://a/\u{7f}"] {
            assert!(matches!(parse(text), Err(RequestError::MalformedUrl { .. })), "{text}");
        }
        for text in ["ws://[::1]x/", "ws://[::1]80/", "ws://a[b]/", "ws://[a/", "ws://a]/"] {
            assert!(matches!(parse(text), Err(RequestError::MalformedUrl { .. })), "{text}");
        }
    }
}
