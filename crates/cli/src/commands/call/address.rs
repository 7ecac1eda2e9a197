//! Addresses of servers.

use std::net::IpAddr;
use std::str::FromStr;

use sockeye::http::Uri;
use sockeye::http::uri::Authority;

use crate::units::without_brackets;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(super) is_secure: bool,
    /// The name or the address, an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as requests name them.
    pub(super) authority: Authority,
    /// The path before that of the method: empty, or from its `/` on and without one at the end.
    pub(super) prefix: String,
}

const EXPECTED: &str = "expected http://HOST:PORT, https://HOST:PORT or HOST:PORT";

impl FromStr for Address {
    type Err = String;

    /// Parses a URL, or a host and a port. Without a scheme, hosts of this machine are called
    /// without TLS, and all others with TLS.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri = if text.contains("://") { text.to_owned() } else { with_scheme(text)? };
        // The text is not repeated: it may contain a password.
        let uri: Uri = uri.parse().map_err(|_| format!("not an address; {EXPECTED}"))?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("the scheme must be http or https; {EXPECTED}")),
        };
        let authority = uri.authority().ok_or(EXPECTED)?;
        if authority.as_str().contains('@') {
            return Err("a user name is not sent; use -H 'authorization: …'".to_owned());
        }
        if uri.query().is_some() {
            return Err(format!("an address has no query; {EXPECTED}"));
        }
        let host = authority.host();
        // The parser of the URI accepts `host:` and `host:99999`.
        let has_port = authority.as_str().len() > host.len();
        let port = match authority.port_u16() {
            Some(port) if port != 0 => port,
            None if !has_port && is_secure => 443,
            None if !has_port => 80,
            _ => return Err(format!("the port must be from 1 to 65535; {EXPECTED}")),
        };
        let host = without_brackets(host);
        if host.is_empty() {
            return Err(format!("the host is missing; {EXPECTED}"));
        }
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port,
            authority: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// Adds the scheme to a host and a port.
fn with_scheme(text: &str) -> Result<String, String> {
    let authority = text.split('/').next().unwrap_or_default();
    let authority: Authority =
        authority.parse().map_err(|_| format!("not an address; {EXPECTED}"))?;
    let host = authority.host();
    let is_loopback = match without_brackets(host).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    Ok(format!("{}://{text}", if is_loopback { "http" } else { "https" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (bool, String, u16, String) {
        let Address { is_secure, host, port, prefix, .. } = text.parse().unwrap();
        (is_secure, host, port, prefix)
    }

    #[test]
    fn an_address_is_a_url_or_a_host_and_a_port() {
        for (text, is_secure, host, port, prefix) in [
            ("http://example.com", false, "example.com", 80, ""),
            ("https://example.com/", true, "example.com", 443, ""),
            ("https://example.com:8443/api/", true, "example.com", 8443, "/api"),
            ("localhost:50051", false, "localhost", 50051, ""),
            ("127.0.0.1:80", false, "127.0.0.1", 80, ""),
            ("[::1]:9000", false, "::1", 9000, ""),
            ("example.com:50051", true, "example.com", 50051, ""),
            ("192.0.2.7:443/x", true, "192.0.2.7", 443, "/x"),
        ] {
            assert_eq!(
                parts(text),
                (is_secure, host.to_owned(), port, prefix.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused_without_their_password() {
        for text in [
            "",
            "http://",
            "ftp://example.com",
            "http://example.com:0",
            "http://example.com:99999",
            "http://example.com:",
            "http://ada:secret@example.com",
            "http://example.com/?x=1",
            "pkg.Service/Method name",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
