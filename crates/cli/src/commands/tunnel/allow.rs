//! The rules about what a tunnel may connect to and listen on: pure data, without names resolved.

mod network;
mod rule;
mod special;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub(super) use self::rule::Rule;
pub(super) use self::special::Special;

/// The name of the loopback addresses (RFC 6761 section 6.3).
const LOCALHOST: &str = "localhost";

/// The targets that a server connects to. Nothing is allowed without a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(Vec<Rule>);

/// The addresses that a server listens on for its clients. Nothing is allowed without a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Binds(Vec<Rule>);

/// The reason why a target or address is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No rule matches the host and port.
    NoRule,
    /// A rule matches the name, but not this address, to which the name resolves.
    Address(IpAddr, Special),
}

impl Targets {
    pub(super) fn new(rules: &[Rule]) -> Self {
        Self(rules.to_vec())
    }

    /// Checks whether a rule may allow the host, before its name is resolved: a client learns nothing
    /// about names that no rule is about.
    ///
    /// # Errors
    /// [`Denied::NoRule`].
    pub(super) fn check_name(&self, host: &str, port: u16) -> Result<(), Denied> {
        let host = normalized(host);
        let mut rules = self.0.iter();
        let may_match = rules.any(|rule| rule.may_allow_name(&host) && rule.allows_port(port));
        if may_match { Ok(()) } else { Err(Denied::NoRule) }
    }

    /// Checks an address to which the host has resolved. Each address of a host must pass.
    ///
    /// # Errors
    /// The reason why no rule allows it.
    pub(super) fn check_address(&self, host: &str, address: SocketAddr) -> Result<(), Denied> {
        let (host, ip) = (normalized(host), address.ip().to_canonical());
        let special = Special::of(ip);
        let mut rules = self.0.iter().filter(|rule| rule.allows_port(address.port()));
        match special {
            None if rules.any(|rule| rule.matches(&host, ip)) => Ok(()),
            None => Err(Denied::NoRule),
            Some(special) if rules.any(|rule| rule.names_special(&host, ip, special)) => Ok(()),
            Some(special) => Err(Denied::Address(ip, special)),
        }
    }

    /// Checks the path of a Unix socket.
    ///
    /// # Errors
    /// [`Denied::NoRule`].
    pub(super) fn check_path(&self, path: &str) -> Result<(), Denied> {
        check_path(&self.0, path)
    }
}

impl Binds {
    pub(super) fn new(rules: &[Rule]) -> Self {
        Self(rules.to_vec())
    }

    /// Checks an address to listen on. A rule for all addresses, `*`, covers the unspecified one.
    ///
    /// # Errors
    /// [`Denied::NoRule`].
    pub(super) fn check_address(&self, host: &str, address: SocketAddr) -> Result<(), Denied> {
        // An IPv4 address in the form of IPv6 is the IPv4 address: so it is for the system.
        let (host, ip) = (normalized(host), address.ip().to_canonical());
        let mut rules = self.0.iter().filter(|rule| rule.allows_port(address.port()));
        // A network never contains the unspecified address by accident: listening on that is
        // listening on all addresses.
        let matches = |rule: &Rule| match ip.is_unspecified() {
            true => rule.is_for_all() || rule.is_address(ip),
            // The name localhost covers its addresses here: nothing is resolved.
            false if ip.is_loopback() => {
                rule.matches(&host, ip) || rule.names_special(LOCALHOST, ip, Special::Loopback)
            }
            false => rule.matches(&host, ip),
        };
        if rules.any(matches) { Ok(()) } else { Err(Denied::NoRule) }
    }

    /// Checks the path of a Unix socket to listen on.
    ///
    /// # Errors
    /// [`Denied::NoRule`].
    pub(super) fn check_path(&self, path: &str) -> Result<(), Denied> {
        check_path(&self.0, path)
    }
}

fn check_path(rules: &[Rule], path: &str) -> Result<(), Denied> {
    if rules.iter().any(|rule| rule.allows_path(path)) { Ok(()) } else { Err(Denied::NoRule) }
}

/// Returns a name as rules have it: in lower case and without the dot of absolute names.
fn normalized(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule of the server allows it"),
            Self::Address(ip, special) => {
                write!(f, "{ip} is {special}, which the server allows only by a rule that names it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Returns whether a host that resolves to this address may be connected to.
    fn allows(texts: &[&str], host: &str, address: &str) -> bool {
        let targets = Targets::new(&rules(texts));
        let address: SocketAddr = address.parse().unwrap();
        targets.check_name(host, address.port()).is_ok()
            && targets.check_address(host, address).is_ok()
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        assert!(!allows(&[], "example.com", "192.0.2.1:443"));
        assert!(!allows(&[], "127.0.0.1", "127.0.0.1:22"));
        assert!(Targets::default().check_path("/run/a.sock").is_err());
        let any = "127.0.0.1:0".parse().unwrap();
        assert_eq!(Binds::default().check_address("127.0.0.1", any), Err(Denied::NoRule));
    }

    #[test]
    fn names_match_exactly_or_below_a_domain() {
        assert!(allows(&["example.com:443"], "Example.COM.", "192.0.2.1:443"));
        assert!(allows(&["*.example.com:443"], "a.b.example.com", "192.0.2.1:443"));
        for host in ["example.com", "badexample.com", "example.com.evil.test", "192.0.2.1"] {
            assert!(!allows(&["*.example.com:443"], host, "192.0.2.1:443"), "{host}");
        }
        assert!(!allows(&["example.com:443"], "example.com", "192.0.2.1:80"));
        assert!(allows(&["example.com:8000-8099"], "example.com", "192.0.2.1:8099"));
        assert!(!allows(&["example.com:8000-8099"], "example.com", "192.0.2.1:8100"));
        assert!(allows(&["*"], "example.com", "192.0.2.1:1"));
    }

    #[test]
    fn networks_match_the_address_whatever_its_name_is() {
        assert!(allows(&["10.1.0.0/16:5432"], "db.internal", "10.1.2.3:5432"));
        assert!(allows(&["10.1.0.0/16:5432"], "10.1.2.3", "10.1.2.3:5432"));
        assert!(allows(&["10.1.0.0/16:5432"], "::ffff:10.1.2.3", "[::ffff:10.1.2.3]:5432"));
        assert!(!allows(&["10.1.0.0/16:5432"], "db.internal", "10.2.2.3:5432"));
        assert!(allows(&["[2001:db8::/32]:*"], "a.test", "[2001:db8::1]:9"));
        assert!(!allows(&["[2001:db8::/32]:*"], "a.test", "192.0.2.1:9"));
    }

    #[test]
    fn names_that_resolve_to_this_machine_or_to_metadata_are_denied() {
        for address in [
            "127.0.0.1:80",
            "127.8.9.1:80",
            "0.0.0.0:80",
            "169.254.169.254:80",
            "100.100.100.200:80",
            "168.63.129.16:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:127.0.0.1]:80",
            "[::7f00:1]:80",
            "[::ffff:0:127.0.0.1]:80",
            "[64:ff9b::7f00:1]:80",
            "[64:ff9b:1:2::169.254.169.254]:80",
            "[2002:7f00:1::]:80",
        ] {
            for rule in ["*", "*.test:80", "a.test:80", "0.0.0.0/0:80", "[::/0]:80"] {
                assert!(!allows(&[rule], "a.test", address), "{rule} and {address}");
            }
        }
        let targets = Targets::new(&rules(&["*"]));
        let denied = targets.check_address("a.test", "169.254.169.254:80".parse().unwrap());
        let text = denied.unwrap_err().to_string();
        assert!(text.contains("169.254.169.254") && text.contains("metadata"), "{text}");
    }

    #[test]
    fn special_addresses_are_allowed_by_rules_that_name_them() {
        assert!(allows(&["127.0.0.1:22"], "127.0.0.1", "127.0.0.1:22"));
        assert!(allows(&["127.0.0.0/8:22"], "a.test", "127.0.0.1:22"));
        assert!(allows(&["[::1]:22"], "::1", "[::1]:22"));
        assert!(allows(&["localhost:22"], "localhost", "127.0.0.1:22"));
        assert!(allows(&["localhost:22"], "localhost", "[::1]:22"));
        assert!(allows(&["169.254.169.254:80"], "169.254.169.254", "169.254.169.254:80"));
        // The name localhost does not name another address.
        assert!(!allows(&["localhost:80"], "localhost", "169.254.169.254:80"));
        assert!(!allows(&["127.0.0.1:22"], "127.0.0.1", "127.0.0.1:23"));
        assert!(!allows(&["127.0.0.1:22"], "localhost", "127.0.0.2:22"));
    }

    #[test]
    fn names_without_a_rule_are_not_resolved() {
        let targets = Targets::new(&rules(&["a.test:80", "10.0.0.0/8:443"]));
        assert_eq!(targets.check_name("b.test", 80), Err(Denied::NoRule));
        assert_eq!(targets.check_name("b.test", 443), Ok(()));
        assert_eq!(targets.check_name("a.test", 80), Ok(()));
    }

    #[test]
    fn paths_match_exactly_or_below_a_directory() {
        let targets = Targets::new(&rules(&["unix:/run/a.sock", "unix:/srv/*"]));
        for path in ["/run/a.sock", "/srv/b.sock", "/srv/c/d"] {
            assert_eq!(targets.check_path(path), Ok(()), "{path}");
        }
        for path in
            ["/run/b.sock", "/srv/../run/b.sock", "/srv/./b", "/srv//b", "/srv/", "run/a.sock"]
        {
            assert_eq!(targets.check_path(path), Err(Denied::NoRule), "{path}");
        }
        assert!(Targets::new(&rules(&["*"])).check_path("/run/a.sock").is_err());
    }

    #[test]
    fn listening_on_all_addresses_needs_a_rule_for_all() {
        let check = |rule: &str, address: &str| {
            let address: SocketAddr = address.parse().unwrap();
            let host = address.ip().to_string();
            Binds::new(&rules(&[rule])).check_address(&host, address).is_ok()
        };
        assert!(check("127.0.0.1:8000-8999", "127.0.0.1:8080"));
        assert!(!check("127.0.0.1:8000-8999", "127.0.0.1:0"));
        assert!(check("127.0.0.1:*", "127.0.0.1:0"));
        assert!(!check("127.0.0.1:8080", "0.0.0.0:8080"));
        assert!(!check("0.0.0.0/0:8080", "0.0.0.0:8080"));
        assert!(check("*:8080", "0.0.0.0:8080"));
        assert!(check("0.0.0.0:8080", "0.0.0.0:8080"));
        assert!(check("localhost:8080", "127.0.0.1:8080"));
        assert!(check("[::/0]:8080", "[2001:db8::1]:8080"));
        for address in ["[::]:8080", "[::ffff:0.0.0.0]:8080", "[::ffff:192.0.2.1]:8080"] {
            assert!(!check("[::/0]:8080", address), "{address}");
            assert!(check("*:8080", address), "{address}");
        }
        assert!(!check("0.0.0.0/0:8080", "[::ffff:0.0.0.0]:8080"));
        assert!(check("192.0.2.1:8080", "[::ffff:192.0.2.1]:8080"));
    }
}
