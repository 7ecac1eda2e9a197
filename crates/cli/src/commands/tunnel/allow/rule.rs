//! One rule, `HOST:PORT` or `unix:PATH`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::LOCALHOST;
use super::network::Network;
use super::special::Special;

/// The form of a rule, for messages.
const EXPECTED: &str = "expected HOST:PORT with a name, *.example.com, an address, a network or *, \
    such as db.internal:5432, 10.0.0.0/8:443, [::1]:22, *.example.com:8000-8099 or *:443; \
    or unix:PATH";

/// Hosts or paths that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Host { host: HostPattern, ports: RangeInclusive<u16> },
    Path(PathPattern),
}

/// The hosts of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// All hosts, but special addresses.
    All,
    /// A name, in lower case.
    Name(String),
    /// All names below a domain, whose text begins with its dot.
    Below(String),
    /// An address or a network.
    Network(Network),
}

/// The paths of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathPattern {
    Exact(String),
    /// All paths below a directory, whose text ends with its slash.
    Below(String),
}

impl Rule {
    pub(crate) fn allows_port(&self, port: u16) -> bool {
        matches!(self, Self::Host { ports, .. } if ports.contains(&port))
    }

    /// Returns whether the rule may allow a host of this name, in lower case, for some address.
    pub(crate) fn may_allow_name(&self, name: &str) -> bool {
        match self.host() {
            Some(HostPattern::Network(network)) => match name.parse::<IpAddr>() {
                Ok(address) => network.contains(address.to_canonical()),
                // The name may resolve to an address of the network.
                Err(_) => true,
            },
            Some(host) => host.matches_name(name),
            None => false,
        }
    }

    /// Returns whether the rule matches the name, in lower case, or the address to which it
    /// resolves. The address has no special meaning.
    pub(crate) fn matches(&self, name: &str, address: IpAddr) -> bool {
        match self.host() {
            Some(HostPattern::Network(network)) => network.contains(address),
            Some(host) => host.matches_name(name),
            None => false,
        }
    }

    /// Returns whether the rule names an address with a special meaning: by an address or a network
    /// with that meaning alone, or by the name localhost.
    pub(crate) fn names_special(&self, name: &str, address: IpAddr, special: Special) -> bool {
        match self.host() {
            Some(HostPattern::Network(network)) => {
                network.contains(address)
                    && (network.is(address)
                        || network.ends().iter().all(|end| Special::of(*end) == Some(special)))
            }
            Some(HostPattern::Name(rule)) => {
                special == Special::Loopback && rule == LOCALHOST && name == LOCALHOST
            }
            _ => false,
        }
    }

    /// Returns whether the rule is about all hosts.
    pub(crate) fn is_for_all(&self) -> bool {
        self.host() == Some(&HostPattern::All)
    }

    /// Returns whether the rule is about this address alone.
    pub(crate) fn is_address(&self, address: IpAddr) -> bool {
        matches!(self.host(), Some(HostPattern::Network(network)) if network.is(address))
    }

    /// Returns whether the rule allows the path of a Unix socket. A path with `.`, `..` or empty
    /// parts may lead elsewhere than it seems to.
    pub(crate) fn allows_path(&self, path: &str) -> bool {
        let Self::Path(pattern) = self else { return false };
        match pattern {
            PathPattern::Exact(allowed) => path == allowed,
            PathPattern::Below(directory) => path
                .strip_prefix(directory.as_str())
                .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | ".."))),
        }
    }

    fn host(&self) -> Option<&HostPattern> {
        match self {
            Self::Host { host, .. } => Some(host),
            Self::Path(_) => None,
        }
    }
}

impl HostPattern {
    fn matches_name(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name(rule) => rule == name,
            Self::Below(domain) => {
                // An address is below no domain.
                name.len() > domain.len()
                    && name.ends_with(domain.as_str())
                    && name.parse::<IpAddr>().is_err()
            }
            Self::Network(_) => false,
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_path(path).map(Self::Path);
        }
        if text == "*" {
            return Ok(Self::Host { host: HostPattern::All, ports: 0..=u16::MAX });
        }
        let (host, ports) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let ports = parse_ports(ports).ok_or(EXPECTED)?;
        Ok(Self::Host { host: parse_host(host)?, ports })
    }
}

fn parse_path(path: &str) -> Result<PathPattern, String> {
    const EXPECTED: &str =
        "expected an absolute path, such as unix:/run/app.sock or unix:/run/app/*";
    if !path.starts_with('/') {
        return Err(EXPECTED.to_owned());
    }
    match path.strip_suffix('*') {
        Some(directory) if directory.ends_with('/') => Ok(PathPattern::Below(directory.to_owned())),
        Some(_) => Err(EXPECTED.to_owned()),
        None => Ok(PathPattern::Exact(path.to_owned())),
    }
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    if text == "*" {
        return Some(0..=u16::MAX);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.parse().ok()?..=last.parse().ok()?;
    (!range.is_empty()).then_some(range)
}

fn parse_host(text: &str) -> Result<HostPattern, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if text == "*" {
        return Ok(HostPattern::All);
    }
    if let Ok(network) = bare.unwrap_or(text).parse::<Network>() {
        return match (bare, text.contains(':')) {
            (None, true) => Err(format!("write [{text}] with brackets; {EXPECTED}")),
            _ => Ok(HostPattern::Network(network)),
        };
    }
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix('*').unwrap_or(&lower);
    let is_below = name.len() < lower.len();
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let labels = if is_below { name.strip_prefix('.') } else { Some(name) };
    match labels {
        Some(labels) if labels.split('.').all(label) => Ok(if is_below {
            HostPattern::Below(name.to_owned())
        } else {
            HostPattern::Name(name.to_owned())
        }),
        _ => Err(EXPECTED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_answered_with_the_form() {
        for wrong in [
            "",
            "22",
            "host",
            "host:",
            "host:ssh",
            "host:9-1",
            "host:1-70000",
            ":22",
            "::1:22",
            "2001:db8::/32:22",
            "10.0.0.0/99:22",
            "a*.example.com:22",
            "*example.com:22",
            "a b:22",
            "http://host:22",
            "unix:run/a.sock",
            "unix:/run/a*",
        ] {
            let error = wrong.parse::<Rule>().unwrap_err();
            assert!(error.contains("expected"), "{wrong}: {error}");
        }
        for right in ["[::1]:22", "[2001:db8::/32]:1-2", "*:*", "_srv.a-b.test:1", "unix:/a/*"] {
            assert!(right.parse::<Rule>().is_ok(), "{right}");
        }
    }
}
