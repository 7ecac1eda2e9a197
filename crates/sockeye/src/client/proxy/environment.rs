//! Proxies from environment variables.

use std::net::IpAddr;

use sockeye_proto::handshake::Url;

use super::{Proxy, ProxyUrlError};
use crate::client::ConnectError;

const SECURE: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];

/// Lower case only: CGI stores a request's `Proxy` header in `HTTP_PROXY`.
const PLAIN: [&str; 1] = ["http_proxy"];

const ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];

const NONE: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The values of the variables when they were read.
#[derive(Clone, Debug)]
pub(in crate::client) struct Environment {
    secure: Option<Variable>,
    plain: Option<Variable>,
    all: Option<Variable>,
    exceptions: Vec<Exception>,
}

/// A variable with its value, whose errors affect only the URLs that the variable applies to.
#[derive(Clone, Debug)]
struct Variable {
    name: &'static str,
    proxy: Result<Proxy, ProxyUrlError>,
}

/// A host that is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Address(IpAddr),
    /// The addresses whose leading bits, of this number, equal those of this address.
    Network(IpAddr, u32),
    /// The name in lower case, and all its subdomains.
    Within(String),
}

impl Environment {
    pub(in crate::client) fn read(read: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &'static [&'static str]| {
            names.iter().find_map(|&name| {
                let value = read(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let variable = |names| first(names).map(|(name, value)| Variable::parse(name, &value));
        let exceptions = first(&NONE).map(|(_, list)| exceptions(&list)).unwrap_or_default();
        Self { secure: variable(&SECURE), plain: variable(&PLAIN), all: variable(&ALL), exceptions }
    }

    pub(in crate::client) fn proxy(&self, url: &Url) -> Result<Option<&Proxy>, ConnectError> {
        if self.exceptions.iter().any(|exception| exception.covers(url)) {
            return Ok(None);
        }
        let own = if url.is_secure() { &self.secure } else { &self.plain };
        match own.as_ref().or(self.all.as_ref()) {
            None => Ok(None),
            Some(Variable { proxy: Ok(proxy), .. }) => Ok(Some(proxy)),
            Some(Variable { proxy: Err(source), name }) => {
                Err(ConnectError::ProxyVariable { variable: name, source: *source })
            }
        }
    }
}

impl Variable {
    fn parse(name: &'static str, value: &str) -> Self {
        let proxy =
            if value.contains("://") { value.parse() } else { format!("http://{value}").parse() };
        Self { name, proxy }
    }
}

fn exceptions(list: &str) -> Vec<Exception> {
    let entries = list.split(|separator: char| separator == ',' || separator.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).map(Exception::parse).collect()
}

impl Exception {
    fn parse(entry: &str) -> Self {
        if let Ok(address) = entry.parse() {
            return Self { hosts: Hosts::Address(address), port: None };
        }
        if let Some(hosts) = network(entry) {
            return Self { hosts, port: None };
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, digits)) => match digits.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (entry, None),
            },
            None => (entry, None),
        };
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        let hosts = if host == "*" {
            Hosts::All
        } else if let Ok(address) = host.parse() {
            Hosts::Address(address)
        } else {
            let name = host.strip_prefix('*').unwrap_or(host).trim_matches('.');
            Hosts::Within(ascii(name).to_ascii_lowercase())
        };
        Self { hosts, port }
    }

    fn covers(&self, url: &Url) -> bool {
        if self.port.is_some_and(|port| port != url.port()) {
            return false;
        }
        let host = url.host().trim_end_matches('.');
        match &self.hosts {
            Hosts::All => true,
            Hosts::Address(address) => host.parse() == Ok(*address),
            Hosts::Network(network, length) => {
                host.parse().is_ok_and(|address| bits(address, *length) == bits(*network, *length))
            }
            Hosts::Within(domain) => {
                let host = host.to_ascii_lowercase();
                // An address is not a subdomain of a name.
                let inner = host.strip_suffix(domain.as_str());
                host.parse::<IpAddr>().is_err()
                    && !domain.is_empty()
                    && inner.is_some_and(|inner| inner.is_empty() || inner.ends_with('.'))
            }
        }
    }
}

/// Parses a network, an address and the number of its leading bits: `10.0.0.0/8`.
fn network(entry: &str) -> Option<Hosts> {
    let (address, length) = entry.split_once('/')?;
    let address = address.trim_matches(['[', ']']).parse().ok()?;
    let longest = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
    let length = length.parse().ok().filter(|length| *length <= longest)?;
    Some(Hosts::Network(address, length))
}

/// Returns the leading bits of an address, and whether it is an IPv4 address.
fn bits(address: IpAddr, length: u32) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => {
            (true, u128::from(address.to_bits().checked_shr(32 - length).unwrap_or(0)))
        }
        IpAddr::V6(address) => (false, address.to_bits().checked_shr(128 - length).unwrap_or(0)),
    }
}

/// Converts a name to ASCII as `Url` does.
fn ascii(name: &str) -> String {
    match format!("ws://{name}").parse::<Url>() {
        Ok(url) if !name.is_ascii() => url.host().to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let url = url.parse().unwrap();
        environment(variables).proxy(&url).unwrap().map(ToString::to_string)
    }

    #[test]
    fn each_scheme_has_its_variable_and_all_proxy_is_for_the_rest() {
        let all = ("all_proxy", "socks5://all.test");
        let variables =
            [("https_proxy", "http://secure.test"), ("http_proxy", "http://plain.test"), all];
        assert_eq!(proxy(&variables, "wss://a").as_deref(), Some("http://secure.test:80"));
        assert_eq!(proxy(&variables, "ws://a").as_deref(), Some("http://plain.test:80"));
        for url in ["wss://a", "ws://a"] {
            assert_eq!(proxy(&[all], url).as_deref(), Some("socks5://all.test:1080"));
            assert_eq!(proxy(&[], url), None);
        }
    }

    #[test]
    fn lower_case_comes_first_and_nothing_is_as_good_as_unset() {
        let upper = ("HTTPS_PROXY", "http://upper.test");
        let both = [("https_proxy", "http://lower.test"), upper];
        assert_eq!(proxy(&both, "wss://a").as_deref(), Some("http://lower.test:80"));
        let empty = [("https_proxy", " "), upper];
        assert_eq!(proxy(&empty, "wss://a").as_deref(), Some("http://upper.test:80"));
    }

    #[test]
    fn the_header_of_a_cgi_request_is_no_proxy() {
        assert_eq!(proxy(&[("HTTP_PROXY", "http://evil.test")], "ws://a"), None);
    }

    #[test]
    fn a_proxy_may_come_without_its_scheme() {
        let variables = [("https_proxy", "user:secret@proxy.test:3128")];
        assert_eq!(proxy(&variables, "wss://a").as_deref(), Some("http://proxy.test:3128"));
    }

    #[test]
    fn a_mistake_names_the_variable_and_counts_only_where_it_is_used() {
        let environment = environment(&[("HTTPS_PROXY", "ftp://a"), ("http_proxy", "http://b")]);
        assert!(environment.proxy(&"ws://a".parse().unwrap()).is_ok());
        let error = environment.proxy(&"wss://a".parse().unwrap()).unwrap_err();
        assert!(
            matches!(
                error,
                ConnectError::ProxyVariable {
                    variable: "HTTPS_PROXY",
                    source: ProxyUrlError::Scheme
                }
            ),
            "{error:?}"
        );
    }

    #[test]
    fn exceptions_are_names_addresses_ports_or_all() {
        let connects_directly = |list: &str, url: &str| {
            proxy(&[("all_proxy", "http://p"), ("no_proxy", list)], url).is_none()
        };
        for (list, url) in [
            ("*", "ws://anything"),
            ("example.com", "ws://example.com"),
            ("x, example.com ,y", "ws://a.Example.com:81"),
            (".example.com", "ws://example.com"),
            ("*.example.com", "ws://a.b.example.com"),
            ("EXAMPLE.com.", "ws://a.example.com."),
            ("example.com:81", "ws://a.example.com:81"),
            ("example.com:443", "wss://example.com"),
            ("127.0.0.1", "ws://127.0.0.1:9"),
            ("127.0.0.1:9", "ws://127.0.0.1:9"),
            ("127.0.0.1.", "ws://127.0.0.1."),
            ("::1", "ws://[::1]:9"),
            ("[::1]", "ws://[0:0:0:0:0:0:0:1]"),
            ("[::1]:9", "ws://[::1]:9"),
            ("localhost", "ws://localhost"),
            ("x example.com\ty", "ws://example.com"),
            ("10.0.0.0/8", "ws://10.255.0.1"),
            ("10.1.2.3/8", "ws://10.9.9.9:81"),
            ("0.0.0.0/0", "ws://192.0.2.1"),
            ("192.0.2.1/32,x", "ws://192.0.2.1"),
            ("fd00::/8", "ws://[fd12:3456::1]"),
            ("[fd00::]/8", "ws://[fd12:3456::1%25eth0]"),
            ("bücher.example", "ws://a.bücher.example"),
            ("xn--bcher-kva.example", "ws://bücher.example"),
        ] {
            assert!(connects_directly(list, url), "{list} {url}");
        }
        for (list, url) in [
            ("", "ws://example.com"),
            (",", "ws://example.com"),
            (".", "ws://example.com"),
            ("example.com", "ws://notexample.com"),
            ("example.com", "ws://example.com.evil.test"),
            ("example.com:81", "ws://example.com"),
            ("0.0.1", "ws://127.0.0.1"),
            ("127.0.0.1:9", "ws://127.0.0.1"),
            ("[::1]:9", "ws://[::1]"),
            ("10.0.0.0/8", "ws://11.0.0.1"),
            ("10.0.0.0/33", "ws://10.0.0.1"),
            ("10.0.0.0/-1", "ws://10.0.0.1"),
            ("0.0.0.0/0", "ws://[::1]"),
            ("::/0", "ws://127.0.0.1"),
            ("10.0.0.0/8", "ws://10.example.com"),
            ("192.0.2.0/31", "ws://192.0.2.2"),
        ] {
            assert!(!connects_directly(list, url), "{list} {url}");
        }
    }
}
