//! Parsing of proxies from URLs.

use std::str::FromStr;

use sockeye_proto::handshake::{RequestError, Url};

use super::{Credentials, Protocol, Proxy, ProxyUrlError};

const HTTP_PORT: u16 = 80;

/// The default port of SOCKS, from RFC 1928 section 3.
const SOCKS_PORT: u16 = 1080;

/// The maximum length of a user name or password (RFC 1929 section 2: each length is a byte, and
/// not 0).
const MAX_CREDENTIAL_LENGTH: usize = 255;

impl FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyUrlError::MissingScheme)?;
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            "socks5" | "socks5h" => Protocol::Socks5,
            "https" => return Err(ProxyUrlError::Https),
            "socks4" | "socks4a" => return Err(ProxyUrlError::Socks4),
            _ => return Err(ProxyUrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(ProxyUrlError::Path);
        }
        let (user_info, authority) = match rest.rsplit_once('@') {
            Some((user_info, authority)) => (Some(user_info), authority),
            None => (None, rest),
        };
        let (host, port) = host_and_port(authority)?;
        let default_port = match protocol {
            Protocol::Http => HTTP_PORT,
            Protocol::Socks5 => SOCKS_PORT,
        };
        let credentials = match user_info {
            Some(user_info) => Some(Credentials::parse(user_info, protocol)?),
            None => None,
        };
        Ok(Self { protocol, host, port: port.unwrap_or(default_port), credentials })
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), ProxyUrlError> {
    // The same rules as for hosts of WebSocket URLs.
    let url: Url = format!("ws://{authority}").parse().map_err(|error| match error {
        RequestError::MissingHost => ProxyUrlError::MissingHost,
        _ => ProxyUrlError::Authority,
    })?;
    let after_brackets = authority.rsplit(']').next().unwrap_or_default();
    let has_port = after_brackets.split_once(':').is_some_and(|(_, port)| !port.is_empty());
    Ok((url.host().to_owned(), has_port.then_some(url.port())))
}

impl Credentials {
    fn parse(user_info: &str, protocol: Protocol) -> Result<Self, ProxyUrlError> {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let credentials = Self { user: decode(user)?, password: decode(password)? };
        let both = [&credentials.user, &credentials.password];
        match protocol {
            Protocol::Http => {
                //= https://www.rfc-editor.org/rfc/rfc7617#section-2
                //# Furthermore, a user-id containing a colon character is invalid, as
                //# the first colon in a user-pass string separates user-id and password
                //# from one another
                if credentials.user.contains(&b':') {
                    return Err(ProxyUrlError::ColonInUser);
                }
                //= https://www.rfc-editor.org/rfc/rfc7617#section-2
                //# The user-id and password MUST NOT contain any control characters
                if both.into_iter().flatten().any(u8::is_ascii_control) {
                    return Err(ProxyUrlError::ControlCharacter);
                }
            }
            Protocol::Socks5 => {
                let lengths = both.map(Vec::len);
                if let Some(length) =
                    lengths.into_iter().find(|length| !(1..=MAX_CREDENTIAL_LENGTH).contains(length))
                {
                    return Err(ProxyUrlError::CredentialLength { length });
                }
            }
        }
        Ok(credentials)
    }
}

/// Decodes percent-encoded text to bytes (RFC 3986 section 2.1).
fn decode(text: &str) -> Result<Vec<u8>, ProxyUrlError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(ProxyUrlError::PercentEncoding);
        };
        decoded.extend(u8::try_from(high * 16 + low));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Proxy, ProxyUrlError> {
        text.parse()
    }

    #[test]
    fn the_parts_of_a_proxys_url_are_found() {
        for (text, protocol, host, port) in [
            ("http://proxy.test", Protocol::Http, "proxy.test", 80),
            ("HTTP://proxy.test:3128/", Protocol::Http, "proxy.test", 3128),
            ("http://proxy.test:80", Protocol::Http, "proxy.test", 80),
            ("socks5://proxy.test", Protocol::Socks5, "proxy.test", 1080),
            ("socks5://proxy.test:80", Protocol::Socks5, "proxy.test", 80),
            ("socks5h://127.0.0.1:9050", Protocol::Socks5, "127.0.0.1", 9050),
            ("socks5://[::1]", Protocol::Socks5, "::1", 1080),
            ("http://[::1]:8080", Protocol::Http, "::1", 8080),
        ] {
            let proxy = parse(text).unwrap();
            let parts = (proxy.protocol, proxy.host(), proxy.port());
            assert_eq!(parts, (protocol, host, port), "{text}");
            assert_eq!(parse(&proxy.to_string()).unwrap(), proxy, "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let proxy = parse("http://ad%61:s%3Acr:et%40@proxy.test:1").unwrap();
        let expected = Credentials { user: b"ada".to_vec(), password: b"s:cr:et@".to_vec() };
        assert_eq!(proxy.credentials, Some(expected));
        assert_eq!(proxy.to_string(), "http://proxy.test:1");
        assert!(!format!("{proxy:?}").contains("ada"), "{proxy:?}");
        let proxy = parse("http://token@proxy.test").unwrap();
        let expected = Credentials { user: b"token".to_vec(), password: Vec::new() };
        assert_eq!(proxy.credentials, Some(expected));
    }

    #[test]
    fn what_is_no_proxy_that_can_be_used_is_refused() {
        for (text, expected) in [
            ("proxy.test:80", ProxyUrlError::MissingScheme),
            ("ftp://proxy.test", ProxyUrlError::Scheme),
            ("https://proxy.test", ProxyUrlError::Https),
            ("socks4a://proxy.test", ProxyUrlError::Socks4),
            ("http://", ProxyUrlError::MissingHost),
            ("http://user@", ProxyUrlError::MissingHost),
            ("http://:80", ProxyUrlError::MissingHost),
            ("http://a b", ProxyUrlError::Authority),
            ("http://a:port", ProxyUrlError::Authority),
            ("http://a:65536", ProxyUrlError::Authority),
            ("http://::1", ProxyUrlError::MissingHost),
            ("http://a/b", ProxyUrlError::Path),
            ("http://a//", ProxyUrlError::Path),
            ("http://a?b", ProxyUrlError::Path),
            ("http://u%4:p@a", ProxyUrlError::PercentEncoding),
            ("http://u:%zzp@a", ProxyUrlError::PercentEncoding),
            ("http://u%3Av:p@a", ProxyUrlError::ColonInUser),
            ("http://u:p%0Aq@a", ProxyUrlError::ControlCharacter),
            ("socks5://u@a", ProxyUrlError::CredentialLength { length: 0 }),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        let long = "x".repeat(256);
        let error = ProxyUrlError::CredentialLength { length: 256 };
        assert_eq!(parse(&format!("socks5://u:{long}@a")), Err(error));
        assert!(parse(&format!("http://u:{long}@a")).is_ok());
    }
}
