//! Policy for the origins whose pages may open a connection (RFC 6455 sections 4.2.2 and 10.2).

use std::str::FromStr;

use super::authority::{Authority, default_port};
use super::host::{HostPattern, Port};
use super::pattern_error::{PatternError, PatternReason};
use super::patterns::Patterns;
use super::{HandshakeError, Request};
use crate::excerpt::excerpt;

/// The origins that a server accepts. The default is the server's own origin only.
///
/// A browser lets any page open a WebSocket to any server, with the server's cookies. The browser
/// names the page's origin in the Origin header, and the server must check that origin. A request
/// without the header does not come from a browser and is accepted.
///
/// An origin is the server's own when its host and port are those of the Host header; a missing
/// port is the default of the origin's scheme, 80 for `http` and 443 for `https`. The schemes
/// themselves are not compared, because a server behind a proxy that terminates TLS does not know
/// its own scheme. So a page of `http://example.com`, which an attacker on the network can forge,
/// may open `wss://example.com`: a server that must refuse such a page uses
/// [`listed_only`](Self::listed_only) and lists `https://example.com`.
///
/// ```
/// use sockeye_proto::handshake::OriginPolicy;
///
/// let policy = OriginPolicy::same_origin().allow("https://*.example.com")?;
/// assert!(policy.allows("https://app.example.com", "api.example.net"));
/// assert!(policy.allows("https://api.example.net", "api.example.net:443"));
/// assert!(!policy.allows("https://example.org", "api.example.net"));
/// # Ok::<_, sockeye_proto::handshake::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    same_origin: bool,
    patterns: Patterns<Pattern>,
}

impl OriginPolicy {
    /// Accepts the server's own origin only: the default.
    pub const fn same_origin() -> Self {
        Self { same_origin: true, patterns: Patterns::none() }
    }

    /// Accepts no origin but those that [`allow`](Self::allow) adds.
    pub const fn listed_only() -> Self {
        Self { same_origin: false, patterns: Patterns::none() }
    }

    /// Accepts every origin. Only for a server that gives any page the same access as an anonymous
    /// client, regardless of cookies.
    pub const fn any() -> Self {
        Self { same_origin: true, patterns: Patterns::any() }
    }

    /// Accepts other origins by a pattern:
    ///
    /// | pattern | allows |
    /// |---|---|
    /// | `https://example.com` | this scheme, host and default port |
    /// | `https://example.com:8443` | this port |
    /// | `http://localhost:*` | any port |
    /// | `https://*.example.com` | any one label; not `example.com`, not `a.b.example.com` |
    /// | `example.com`, `*.example.com:8080` | as above, with `http` or `https` |
    /// | `null` | sandboxed pages and files, which have no origin |
    /// | `*` | everything, as [`any`](Self::any) |
    ///
    /// # Errors
    /// [`PatternError`] when `pattern` is none of these.
    pub fn allow(self, pattern: &str) -> Result<Self, PatternError> {
        Ok(Self { patterns: self.patterns.allow(pattern)?, ..self })
    }

    /// Returns whether a page of `origin` may open a connection to `host`, each as in its header.
    pub fn allows(&self, origin: &str, host: &str) -> bool {
        if self.patterns.allows_any() {
            return true;
        }
        let origin = Origin::parse(origin);
        let same = self.same_origin
            && match (origin, Authority::parse(host)) {
                // A scheme without a default port is that of an app or a browser extension, whose
                // host is not that of a server.
                (Some(Origin::Of { scheme, authority }), Some(host)) => {
                    default_port(scheme).is_some_and(|default| authority.is_same(host, default))
                }
                _ => false,
            };
        same || origin.is_some_and(|origin| self.patterns.fit(|known| known.fits(origin)))
    }

    /// Checks the origin of a request, if the request has one.
    ///
    /// # Errors
    /// [`HandshakeError::OriginRefused`], which is answered with 403.
    pub fn check(&self, request: &Request<'_>) -> Result<(), HandshakeError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
        //# If the server does not validate the origin, it will accept connections
        //# from anywhere.
        match request.origin() {
            Some(origin) if !self.allows(origin, request.host()) => {
                Err(HandshakeError::OriginRefused {
                    origin: excerpt(origin),
                    host: excerpt(request.host()),
                })
            }
            _ => Ok(()),
        }
    }
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self::same_origin()
    }
}

/// An Origin header's value (RFC 6454 section 7).
#[derive(Clone, Copy, Debug)]
enum Origin<'a> {
    Null,
    Of { scheme: &'a str, authority: Authority<'a> },
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let authority = Authority::parse(authority)?;
        is_scheme(scheme).then_some(Self::Of { scheme, authority })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Null,
    Of {
        /// `None` stands for `http` and `https`.
        scheme: Option<String>,
        host: HostPattern,
    },
}

impl Pattern {
    fn fits(&self, origin: Origin<'_>) -> bool {
        match (self, origin) {
            (Self::Null, Origin::Null) => true,
            (Self::Of { scheme, host }, Origin::Of { scheme: given, authority }) => {
                let scheme_fits = match scheme {
                    Some(scheme) => scheme.eq_ignore_ascii_case(given),
                    None => ["http", "https"].iter().any(|web| web.eq_ignore_ascii_case(given)),
                };
                let default = default_port(given);
                let port_fits = match host.port {
                    Port::Any => true,
                    Port::Is(port) => authority.port.or(default) == Some(port),
                    Port::Unspecified => authority.port.or(default) == default,
                };
                scheme_fits && port_fits && host.fits_host(authority.host)
            }
            _ => false,
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        if pattern == "null" {
            return Ok(Self::Null);
        }
        let (scheme, rest) = match pattern.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, pattern),
        };
        if scheme.is_some_and(|scheme| !is_scheme(scheme)) {
            return Err(PatternError::new(pattern, PatternReason::Scheme));
        }
        let host = HostPattern::parse(rest).map_err(|reason| PatternError::new(pattern, reason))?;
        Ok(Self::Of { scheme: scheme.map(ToOwned::to_owned), host })
    }
}

/// Returns whether the text is a scheme (RFC 3986 section 3.1).
fn is_scheme(text: &str) -> bool {
    let tail = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(origin: &str, host: &str) -> bool {
        OriginPolicy::same_origin().allows(origin, host)
    }

    fn listed(pattern: &str, origin: &str) -> bool {
        OriginPolicy::listed_only().allow(pattern).unwrap().allows(origin, "server.test")
    }

    #[test]
    fn the_servers_own_origin_is_allowed_in_any_case_and_with_default_ports() {
        assert!(same("http://example.com", "example.com"));
        assert!(same("https://EXAMPLE.com", "example.com"));
        assert!(same("https://example.com", "example.com:443"));
        assert!(same("http://example.com:80", "example.com"));
        assert!(same("http://localhost:8080", "localhost:8080"));
        assert!(same("http://[::1]:8080", "[::1]:8080"));
    }

    #[test]
    fn another_host_or_port_and_a_bad_origin_are_refused() {
        for origin in [
            "https://evil.test",
            "https://example.com.evil.test",
            "https://evil.test/example.com",
            "https://sub.example.com",
            "https://example.com:8443",
            "https://user@example.com",
            "http://example.com:443 ",
            "example.com",
            "null",
            "",
            "://example.com",
            "chrome-extension://abcdefgh",
        ] {
            assert!(!same(origin, "example.com"), "{origin}");
        }
        assert!(!same("http://localhost:3000", "localhost:8080"));
    }

    #[test]
    fn an_app_or_extension_is_not_the_servers_own_whatever_its_host() {
        for origin in ["app://localhost", "capacitor://localhost", "chrome-extension://localhost"] {
            assert!(!same(origin, "localhost"), "{origin}");
            assert!(listed(origin, origin), "{origin}");
        }
    }

    #[test]
    fn a_listed_origin_is_exact() {
        assert!(listed("https://example.com", "https://Example.com:443"));
        assert!(!listed("https://example.com", "http://example.com"));
        assert!(!listed("https://example.com", "https://example.com:444"));
        assert!(listed("https://example.com:444", "https://example.com:444"));
        assert!(!listed("https://example.com", "https://server.test"));
        assert!(listed("chrome-extension://abc", "chrome-extension://abc"));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for pattern in ["https://*.example.com", "*.example.com"] {
            assert!(listed(pattern, "https://a.example.com"));
            assert!(!listed(pattern, "https://example.com"));
            assert!(!listed(pattern, "https://a.b.example.com"));
            assert!(!listed(pattern, "https://.example.com"));
            assert!(!listed(pattern, "https://aexample.com"));
            assert!(!listed(pattern, "https://a.example.com:8443"));
        }
        assert!(listed("*.example.com", "http://a.example.com"));
        assert!(!listed("*.example.com", "ftp://a.example.com"));
    }

    #[test]
    fn a_port_may_be_left_open() {
        assert!(listed("http://localhost:*", "http://localhost:3000"));
        assert!(listed("localhost:*", "http://localhost"));
        assert!(!listed("localhost:*", "http://localhost.evil.test:1"));
    }

    #[test]
    fn null_and_anything_are_allowed_only_when_listed() {
        assert!(listed("null", "null"));
        assert!(!listed("null", "https://a.test"));
        for policy in [OriginPolicy::any(), OriginPolicy::same_origin().allow("*").unwrap()] {
            assert!(policy.allows("null", "a") && policy.allows("gibberish", "a"));
        }
    }

    #[test]
    fn bad_patterns_are_refused_when_they_are_given() {
        for (pattern, reason) in [
            ("", PatternReason::Host),
            ("https://", PatternReason::Host),
            ("https://example.com/", PatternReason::Host),
            ("https://example.com/path", PatternReason::Host),
            ("https://user@example.com", PatternReason::Host),
            ("*.", PatternReason::Host),
            ("example.com:80:*", PatternReason::Host),
            ("1http://example.com", PatternReason::Scheme),
            ("*://example.com", PatternReason::Scheme),
            ("https://*", PatternReason::Wildcard),
            ("a.*.example.com", PatternReason::Wildcard),
            ("*example.com", PatternReason::Wildcard),
            ("*.*.example.com", PatternReason::Wildcard),
        ] {
            let error = OriginPolicy::same_origin().allow(pattern).unwrap_err();
            assert_eq!(error, PatternError::new(pattern, reason), "{pattern}");
        }
    }
}
