//! Redirects, for clients that are set to follow them.

use std::fmt;

use http::header::{ACCEPT_LANGUAGE, LOCATION, ORIGIN, USER_AGENT};
use http::{HeaderName, HeaderValue, StatusCode};
use sockeye_proto::handshake::{ClientRequest, HandshakeError, RequestError, Url};

use super::{Client, ConnectError, StageTimer};
use crate::WebSocket;

/// The headers that are sent to another origin: they identify the client and the page, and hold no
/// secret.
const CARRIED: [HeaderName; 3] = [USER_AGENT, ORIGIN, ACCEPT_LANGUAGE];

/// The reason why a client that follows redirects did not follow this one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// The Location is not the URL of a WebSocket.
    Location(RequestError),
    /// The redirect leads from TLS to plain text, which anyone on the network path can read.
    Insecure {
        /// The target.
        url: Url,
    },
    /// The redirect leads back to a URL already visited.
    Loop {
        /// The target.
        url: Url,
    },
    /// The client followed the maximum of [`Client::follow_redirects`].
    TooMany {
        /// The limit.
        limit: usize,
        /// The target of the next redirect.
        url: Url,
    },
}

impl Client {
    /// Sets the maximum number of redirects to follow. Default: 0, so that a redirect is an error
    /// like any other refusal.
    ///
    /// The statuses 301, 302, 303, 307 and 308 with a Location are followed; its `http` and `https`
    /// are treated as `ws` and `wss`. A redirect from `wss` to `ws` is an error. To another scheme,
    /// host or port, the client sends only `User-Agent`, `Origin` and `Accept-Language` of the
    /// headers set by [`header`](Self::header): the others may be secrets. The
    /// [`connect_timeout`](Self::connect_timeout) applies to all connections together.
    ///
    /// [`handshake`](Self::handshake) and `connect_unix` follow no redirects, as they cannot open
    /// another connection.
    pub fn follow_redirects(self, max: usize) -> Self {
        Self { max_redirects: max, ..self }
    }

    /// Returns whether the response is a redirect that this client follows.
    pub(super) fn follows(&self, answer: &HandshakeError) -> bool {
        self.max_redirects > 0 && location(answer).is_some()
    }

    /// Follows the redirect in the response, and further ones.
    pub(super) async fn redirected(
        &self,
        request: &ClientRequest,
        mut answer: HandshakeError,
        stage_timer: &StageTimer,
    ) -> Result<WebSocket, ConnectError> {
        let mut request = request.clone();
        let mut visited = vec![request.url().clone()];
        while let Some(location) = location(&answer) {
            let url = resolve(request.url(), location).map_err(RedirectError::Location)?;
            if visited.contains(&url) {
                return Err(RedirectError::Loop { url }.into());
            }
            if visited.len() > self.max_redirects {
                return Err(RedirectError::TooMany { limit: self.max_redirects, url }.into());
            }
            if request.url().is_secure() && !url.is_secure() {
                return Err(RedirectError::Insecure { url }.into());
            }
            tracing::debug!(%url, "redirected");
            visited.push(url.clone());
            redirect(&mut request, url);
            match self.attempt(&request, stage_timer).await {
                Err(ConnectError::Handshake(next)) => answer = next,
                result => return result,
            }
        }
        Err(answer.into())
    }
}

/// Returns the Location of a redirect (RFC 9110 section 15.4).
fn location(answer: &HandshakeError) -> Option<&HeaderValue> {
    match answer {
        HandshakeError::Status {
            status:
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT,
            headers,
            ..
        } => headers.get(LOCATION),
        _ => None,
    }
}

/// Resolves a Location in a response from `base` (RFC 9110 section 10.2.2, RFC 3986 section 5.2).
pub(super) fn resolve(base: &Url, location: &HeaderValue) -> Result<Url, RequestError> {
    // A value that is not text is not a URL: the error shows its bytes with replacement characters.
    let location = String::from_utf8_lossy(location.as_bytes());
    // The fragment is only for user agents that display a page.
    let reference = location.split('#').next().unwrap_or_default();
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    let scheme = if base.is_secure() { "wss" } else { "ws" };
    // A colon in the first segment ends a scheme.
    let first_segment = path.split('/').next().unwrap_or_default();
    if let Some((other, _)) = first_segment.split_once(':') {
        let rest = &reference[other.len()..];
        return match other.to_ascii_lowercase().as_str() {
            "http" => format!("ws{rest}").parse(),
            "https" => format!("wss{rest}").parse(),
            _ => reference.parse(),
        };
    }
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}").parse();
    }
    let target = base.target();
    let (base_path, base_query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let target = match path {
        "" if query.is_empty() => format!("{base_path}{base_query}"),
        "" => format!("{base_path}{query}"),
        _ if path.starts_with('/') => without_dots(path) + query,
        _ => {
            let folder = base_path.rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{path}")) + query
        }
    };
    base.with_target(&target)
}

/// Returns an absolute path without its segments `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Redirects the request, without the headers that must not be sent to another origin.
fn redirect(request: &mut ClientRequest, url: Url) {
    if !is_same_origin(request.url(), &url) {
        let mut headers = request.headers().clone();
        for name in request.headers().keys().filter(|name| !CARRIED.contains(name)) {
            headers.remove(name);
        }
        request.set_headers(headers).expect("what was added before can be added again");
    }
    request.set_url(url);
}

fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.is_secure() == other.is_secure()
        && one.host().eq_ignore_ascii_case(other.host())
        && one.zone() == other.zone()
        && one.port() == other.port()
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(source) => {
                write!(f, "the Location is not the URL of a WebSocket: {source}")
            }
            Self::Insecure { url } => write!(f, "it leads from TLS to plain text: {url}"),
            Self::Loop { url } => write!(f, "it leads back to {url}"),
            Self::TooMany { limit, url } => {
                write!(f, "{limit} redirects were followed, and the next one leads to {url}")
            }
        }
    }
}

impl std::error::Error for RedirectError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, location: &str) -> Result<String, RequestError> {
        let location = HeaderValue::from_str(location).unwrap();
        resolve(&base.parse().unwrap(), &location).map(|url| url.to_string())
    }

    #[test]
    fn references_are_resolved_against_the_url_of_the_request() {
        let base = "wss://example.com:444/a/b?c=d";
        for (location, expected) in [
            ("https://other.test/x?y", "wss://other.test/x?y"),
            ("HTTP://other.test", "ws://other.test/"),
            ("wss://other.test:1/#part", "wss://other.test:1/"),
            ("//other.test/x", "wss://other.test/x"),
            ("/x?next=http://y/z", "wss://example.com:444/x?next=http://y/z"),
            ("x", "wss://example.com:444/a/x"),
            ("x/?q", "wss://example.com:444/a/x/?q"),
            ("?q", "wss://example.com:444/a/b?q"),
            ("../x", "wss://example.com:444/x"),
            ("../../../x/./y/..", "wss://example.com:444/x/"),
            ("/x/../../..", "wss://example.com:444/"),
            ("/a b", "wss://example.com:444/a%20b"),
            ("", "wss://example.com:444/a/b?c=d"),
            ("#part", "wss://example.com:444/a/b?c=d"),
        ] {
            assert_eq!(resolved(base, location).as_deref(), Ok(expected), "{location}");
        }
        assert_eq!(resolved("ws://a", "x").as_deref(), Ok("ws://a/x"));
        let scoped = resolved("ws://[fe80::1%25eth0]:9/", "/x");
        assert_eq!(scoped.as_deref(), Ok("ws://[fe80::1%25eth0]:9/x"));
    }

    #[test]
    fn a_location_that_is_no_place_for_websockets_is_refused() {
        for location in ["ftp://a/", "file:///etc/passwd"] {
            let error = resolved("ws://a/", location).unwrap_err();
            assert!(matches!(error, RequestError::Scheme { .. }), "{error:?}");
        }
        for location in ["mailto:someone", "http:x", "http://a b/", "/a\tb"] {
            let error = resolved("ws://a/", location).unwrap_err();
            assert!(matches!(error, RequestError::MalformedUrl { .. }), "{error:?}");
        }
        assert_eq!(resolved("ws://a/", "http://user:x@b/"), Err(RequestError::UserInfo));
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        let names = |to: &str| {
            let mut request = ClientRequest::new("ws://a.test:80/x".parse().unwrap());
            for name in ["authorization", "cookie", "x-api-key", "host", "origin", "user-agent"] {
                request.add_header(name.parse().unwrap(), "x".parse().unwrap()).unwrap();
            }
            redirect(&mut request, to.parse().unwrap());
            assert_eq!(*request.url(), to.parse().unwrap());
            let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names("ws://A.test/y").len(), 6);
        for other in ["ws://b.test/x", "ws://a.test:81/x", "wss://a.test/x"] {
            assert_eq!(names(other), ["origin", "user-agent"], "{other}");
        }
    }
}
