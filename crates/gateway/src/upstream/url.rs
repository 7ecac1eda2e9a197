//! URLs of upstreams.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

/// The URL of an upstream: `http://HOST:PORT`, `https://HOST:PORT`, or `unix:PATH`.
///
/// The default ports are 80 and 443. The host is a name or an address, IPv6 in brackets; a name
/// may have several addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    pub(super) is_secure: bool,
    pub(super) target: Target,
}

/// The address of an upstream, before names are resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Tcp { host: String, port: u16, authority: Authority },
    Unix(PathBuf),
}

/// The reason why a text is not the URL of an upstream. The text is not repeated, since it may
/// contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamUrlError {
    /// The text is not a URL of `http`, `https` or `unix`.
    Scheme,
    /// The host or the port is missing or malformed.
    Authority,
    /// There is a user or a password, which gRPC does not transmit.
    UserInfo,
    /// There is a path or a query, which gRPC calls replace by the path of their method.
    Path,
    /// The path of the unix socket is missing, or the system has no unix sockets.
    Unix,
}

impl UpstreamUrl {
    /// Returns whether the connection uses TLS.
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Returns the authority that calls name: host and port, or `localhost` for a unix socket.
    pub fn authority(&self) -> Authority {
        match &self.target {
            Target::Tcp { authority, .. } => authority.clone(),
            Target::Unix(_) => Authority::from_static("localhost"),
        }
    }
}

impl FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(text: &str) -> Result<Self, UpstreamUrlError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || cfg!(not(unix)) {
                return Err(UpstreamUrlError::Unix);
            }
            return Ok(Self { is_secure: false, target: Target::Unix(path.into()) });
        }
        let uri: Uri = text.parse().map_err(|_| UpstreamUrlError::Authority)?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(UpstreamUrlError::Scheme),
        };
        let authority = uri.authority().ok_or(UpstreamUrlError::Authority)?;
        if authority.as_str().contains('@') {
            return Err(UpstreamUrlError::UserInfo);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(UpstreamUrlError::Path);
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // The parser of the URI accepts `host:` and `host:99999`.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) if port != 0 => port,
            None if !has_port => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            _ => return Err(UpstreamUrlError::Authority),
        };
        if host.is_empty() {
            return Err(UpstreamUrlError::Authority);
        }
        let target = Target::Tcp { host: host.to_owned(), port, authority: authority.clone() };
        Ok(Self { is_secure, target })
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Tcp { authority, .. } => {
                write!(f, "{}://{authority}", if self.is_secure { "https" } else { "http" })
            }
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for UpstreamUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "an upstream begins with http://, https:// or unix:",
            Self::Authority => "the host or port of the upstream is missing or malformed",
            Self::UserInfo => "the URL of an upstream contains no user or password",
            Self::Path => "the URL of an upstream ends after the port",
            Self::Unix => "unix: is followed by the path of a socket, on systems that have them",
        })
    }
}

impl std::error::Error for UpstreamUrlError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn tcp(text: &str) -> (bool, String, u16) {
        let url: UpstreamUrl = text.parse().unwrap();
        assert_eq!(url.to_string().trim_end_matches('/'), text.trim_end_matches('/'));
        match url.target {
            Target::Tcp { host, port, .. } => (url.is_secure, host, port),
            Target::Unix(_) => panic!("{text} is not a unix socket"),
        }
    }

    #[test]
    fn hosts_and_ports_are_read() {
        assert_eq!(tcp("http://example.com"), (false, "example.com".into(), 80));
        assert_eq!(tcp("https://example.com/"), (true, "example.com".into(), 443));
        assert_eq!(tcp("http://127.0.0.1:50051"), (false, "127.0.0.1".into(), 50051));
        assert_eq!(tcp("https://[::1]:8443"), (true, "::1".into(), 8443));
    }

    #[cfg(unix)]
    #[test]
    fn unix_sockets_have_a_path() {
        for text in ["unix:/run/a.sock", "unix:///run/a.sock"] {
            let url: UpstreamUrl = text.parse().unwrap();
            assert_eq!(url.target, Target::Unix("/run/a.sock".into()));
            assert_eq!(url.authority(), "localhost");
        }
        assert_eq!("unix:".parse::<UpstreamUrl>(), Err(UpstreamUrlError::Unix));
    }

    #[test]
    fn other_texts_are_refused_with_a_reason_and_without_their_password() {
        for (text, reason) in [
            ("", UpstreamUrlError::Authority),
            ("example.com:80", UpstreamUrlError::Scheme),
            ("ws://example.com", UpstreamUrlError::Scheme),
            ("/path", UpstreamUrlError::Scheme),
            ("http://", UpstreamUrlError::Authority),
            ("http://:80", UpstreamUrlError::Authority),
            ("http://example.com:", UpstreamUrlError::Authority),
            ("http://example.com:0", UpstreamUrlError::Authority),
            ("http://example.com:65536", UpstreamUrlError::Authority),
            ("http://ada:secret@example.com", UpstreamUrlError::UserInfo),
            ("http://example.com/pkg.Service", UpstreamUrlError::Path),
            ("http://example.com?x=1", UpstreamUrlError::Path),
        ] {
            let error = text.parse::<UpstreamUrl>().unwrap_err();
            assert_eq!(error, reason, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
