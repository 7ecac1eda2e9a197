//! Policy for the hosts that a server answers for (RFC 9110 section 7.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::authority::Authority;
use super::pattern_error::{PatternError, PatternReason};
use super::patterns::Patterns;
use super::{HandshakeError, Request};
use crate::excerpt::excerpt;

/// The hosts that a server answers for. The default is every host.
///
/// The policy prevents DNS rebinding: a page of `evil.example` lets that name resolve to
/// 127.0.0.1, or to an address of the local network, after the page is loaded. The browser then
/// takes the server for the page's own: Origin and Host agree, and no check of origins helps. Only
/// the Host header, which names `evil.example`, reveals such a request. A server that is reached
/// from browsers on its own machine or network should therefore list its names.
///
/// ```
/// use sockeye_proto::handshake::HostPolicy;
///
/// let policy = HostPolicy::loopback().allow("app.example.com")?;
/// assert!(policy.allows("localhost:8080") && policy.allows("127.0.0.1:8080"));
/// assert!(policy.allows("app.example.com"));
/// assert!(!policy.allows("evil.example:8080"));
/// # Ok::<_, sockeye_proto::handshake::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPolicy {
    loopback: bool,
    addresses: bool,
    patterns: Patterns<HostPattern>,
}

impl HostPolicy {
    /// Allows every host: the default.
    pub const fn any() -> Self {
        Self { loopback: false, addresses: false, patterns: Patterns::any() }
    }

    /// Allows the names of the machine itself: `localhost` and the names below it, 127.0.0.0/8 and
    /// `[::1]`.
    pub const fn loopback() -> Self {
        Self { loopback: true, addresses: false, patterns: Patterns::none() }
    }

    /// Allows no host but those that [`allow`](Self::allow) adds.
    pub const fn listed_only() -> Self {
        Self { loopback: false, addresses: false, patterns: Patterns::none() }
    }

    /// Allows more hosts by a pattern:
    ///
    /// | pattern | allows |
    /// |---|---|
    /// | `example.com` | this name or address, at any port |
    /// | `example.com:8443` | at this port only |
    /// | `*.example.com` | any one label; not `example.com`, not `a.b.example.com` |
    /// | `*` | everything, as [`any`](Self::any) |
    ///
    /// # Errors
    /// [`PatternError`] when `pattern` is none of these.
    pub fn allow(self, pattern: &str) -> Result<Self, PatternError> {
        Ok(Self { patterns: self.patterns.allow(pattern)?, ..self })
    }

    /// Allows every IP address, for a server that listens on all addresses of its machine. DNS
    /// rebinding gains nothing from this, because its Host header has a name and not an address.
    pub fn allow_addresses(self) -> Self {
        Self { addresses: true, ..self }
    }

    /// Returns whether the server answers for `host`, the value of a Host header or `:authority`
    /// pseudo-header: a host with an optional port.
    pub fn allows(&self, host: &str) -> bool {
        self.patterns.allows_any() || Authority::parse(host).is_some_and(|host| self.fits(host))
    }

    /// Checks a host as [`allows`](Self::allows) does, for servers of both pages and WebSockets.
    ///
    /// # Errors
    /// [`HandshakeError::Host`] when `host` is not a host, which is answered with 400;
    /// [`HandshakeError::HostRefused`] when the policy does not allow the host, which is answered
    /// with 421.
    pub fn check(&self, host: &str) -> Result<(), HandshakeError> {
        match Authority::parse(host) {
            None => Err(HandshakeError::Host { host: excerpt(host) }),
            Some(known) if self.patterns.allows_any() || self.fits(known) => Ok(()),
            Some(_) => Err(HandshakeError::HostRefused { host: excerpt(host) }),
        }
    }

    pub(super) fn check_request(&self, request: &Request<'_>) -> Result<(), HandshakeError> {
        self.check(request.host())
    }

    fn fits(&self, requested: Authority<'_>) -> bool {
        // The dot of the DNS root does not change the name.
        let host = requested.host.strip_suffix('.').unwrap_or(requested.host);
        let requested = Authority { host, ..requested };
        let address = address(host);
        (self.addresses && address.is_some())
            || (self.loopback && address.map_or_else(|| is_localhost(host), is_loopback))
            || self.patterns.fit(|pattern| pattern.fits(requested))
    }
}

impl Default for HostPolicy {
    fn default() -> Self {
        Self::any()
    }
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

//= https://www.rfc-editor.org/rfc/rfc6761#section-6.3
//# Users may assume that IPv4 and IPv6 address queries for localhost names will
//# always resolve to the respective IP loopback address.
fn is_localhost(host: &str) -> bool {
    host.rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

/// A pattern of a host and a port, where the first label and the port may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPattern {
    /// The host; with `wildcard`, the part after the first label, including its dot.
    host: String,
    wildcard: bool,
    pub(super) port: Port,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Unspecified,
    Is(u16),
    Any,
}

impl HostPattern {
    /// Returns whether `requested` has this host and a port that the pattern allows.
    fn fits(&self, requested: Authority<'_>) -> bool {
        let port_fits = match self.port {
            Port::Any | Port::Unspecified => true,
            Port::Is(port) => requested.port == Some(port),
        };
        port_fits && self.fits_host(requested.host)
    }

    /// Returns whether the host matches, regardless of the port.
    pub(super) fn fits_host(&self, host: &str) -> bool {
        let compared = match (self.wildcard, host.find('.')) {
            (false, _) => host,
            (true, Some(dot)) if dot > 0 => &host[dot..],
            (true, _) => return false,
        };
        compared.eq_ignore_ascii_case(&self.host)
    }

    /// Parses a host with an optional port. The first label and the port may each be `*`.
    pub(super) fn parse(text: &str) -> Result<Self, PatternReason> {
        let (rest, any_port) = match text.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (authority, wildcard) = match rest.strip_prefix("*.") {
            Some(authority) => (authority, true),
            None => (rest, false),
        };
        let Some(Authority { host, port }) = Authority::parse(authority) else {
            return Err(PatternReason::Host);
        };
        if host.contains('*') {
            return Err(PatternReason::Wildcard);
        }
        let port = match (any_port, port) {
            (false, None) => Port::Unspecified,
            (false, Some(port)) => Port::Is(port),
            (true, None) => Port::Any,
            (true, Some(_)) => return Err(PatternReason::Host),
        };
        let host = if wildcard { format!(".{host}") } else { host.to_owned() };
        Ok(Self { host, wildcard, port })
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        Self::parse(pattern).map_err(|reason| PatternError::new(pattern, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_the_names_of_the_machine_itself_at_any_port() {
        let policy = HostPolicy::loopback();
        for host in [
            "localhost",
            "LocalHost:8080",
            "localhost.:80",
            "app.localhost",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:9",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(policy.allows(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "128.0.0.1",
            "0.0.0.0",
            "[::2]",
            "",
            "user@localhost",
            "localhost localhost",
        ] {
            assert!(!policy.allows(host), "{host}");
        }
    }

    #[test]
    fn listed_hosts_are_compared_whole_and_in_any_case() {
        let policy = |pattern| HostPolicy::listed_only().allow(pattern).unwrap();
        assert!(policy("example.com").allows("Example.com.:81"));
        assert!(!policy("example.com").allows("a.example.com"));
        assert!(policy("example.com:81").allows("example.com:81"));
        assert!(!policy("example.com:81").allows("example.com"));
        assert!(policy("*.example.com").allows("a.example.com:8"));
        assert!(!policy("*.example.com").allows("example.com"));
        assert!(!policy("*.example.com").allows("a.b.example.com"));
        assert!(policy("[2001:db8::1]").allows("[2001:DB8::1]:80"));
        assert!(policy("*").allows("anything"));
    }

    #[test]
    fn addresses_may_be_allowed_as_a_whole_and_names_are_not_among_them() {
        let policy = HostPolicy::loopback().allow_addresses();
        assert!(policy.allows("192.0.2.7:80") && policy.allows("[2001:db8::1]"));
        for host in ["192.0.2.7.evil.example", "0xc0000207", "evil.example", "192.0.2"] {
            assert!(!policy.allows(host), "{host}");
        }
    }

    #[test]
    fn an_invalid_host_is_distinguished_from_a_foreign_one() {
        let check = |host: &str| HostPolicy::loopback().check(host);
        assert_eq!(check("localhost:1"), Ok(()));
        assert_eq!(check("a/b"), Err(HandshakeError::Host { host: "a/b".into() }));
        let refused = HandshakeError::HostRefused { host: "evil.example:1".into() };
        assert_eq!(check("evil.example:1"), Err(refused));
        assert_eq!(HostPolicy::any().check("evil.example"), Ok(()));
    }

    #[test]
    fn bad_patterns_are_refused_when_they_are_given() {
        for pattern in ["", "https://example.com", "example.com/", "a.*.com", "a:b", "*.*.com"] {
            let error = HostPolicy::listed_only().allow(pattern).unwrap_err();
            assert!(error.to_string().contains(pattern), "{error}");
        }
    }
}
