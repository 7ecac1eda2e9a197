//! The head of an HTTP/1.1 message: found in a growing buffer, then parsed once.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::{EMPTY_HEADER, Header, Status};

use super::error::{HandshakeError, MalformedHead};
use crate::excerpt::excerpt;
use crate::token::is_token_byte;

/// The prefix of the name of every HTTP version.
const VERSION: &[u8] = b"HTTP/";

/// Limits on the head of an HTTP message.
///
/// ```
/// use sockeye_proto::handshake::HeadLimits;
///
/// let limits = HeadLimits::new().size(4096).headers(20);
/// assert_eq!((limits.size, limits.headers), (4096, 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// The size of the whole head, in bytes. Default: 16 KiB, which is enough for browsers' cookies
    /// (common servers accept 8 KiB in total), and little enough for a server to buffer for every
    /// unauthenticated client.
    pub size: usize,
    /// The number of headers. Default: 100, as in most HTTP servers.
    pub headers: usize,
}

impl HeadLimits {
    /// Creates the default limits: 16 KiB and 100 headers.
    pub const fn new() -> Self {
        Self { size: 16 * 1024, headers: 100 }
    }

    /// Limits the size of the whole head, in bytes.
    pub const fn size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Limits the number of headers.
    pub const fn headers(self, headers: usize) -> Self {
        Self { headers, ..self }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// The search for the end of a head in a growing buffer. Each byte is examined once, regardless of
/// how the input is split.
#[derive(Clone, Debug, Default)]
pub struct HeadSearch {
    limits: HeadLimits,
    searched: usize,
    is_response: bool,
    /// Set once the beginning of the head has been checked for HTTP.
    is_judged: bool,
}

impl HeadSearch {
    /// Creates a search for the head of a request, from the start of a buffer.
    pub const fn new(limits: HeadLimits) -> Self {
        Self { limits, searched: 0, is_response: false, is_judged: false }
    }

    /// Creates a search for the head of a response, from the start of a buffer.
    pub const fn of_response(limits: HeadLimits) -> Self {
        Self { limits, searched: 0, is_response: true, is_judged: false }
    }

    /// Returns the length of the head including its blank line, or `None` when more input is
    /// needed. `input` is all input so far, from its first byte on.
    ///
    /// # Errors
    /// [`HandshakeError::HeadTooLarge`] when the head does not end within the limit, and
    /// [`HandshakeError::MalformedHead`] as soon as the beginning cannot be HTTP: a peer that
    /// speaks another protocol may wait for a reply, and never complete a head.
    pub fn find(&mut self, input: &[u8]) -> Result<Option<usize>, HandshakeError> {
        // A TLS client on a plain port is refused at once, not at the deadline.
        if input.first().is_some_and(|&byte| !is_token_byte(byte) && !b"\r\n".contains(&byte)) {
            return Err(HandshakeError::MalformedHead(MalformedHead(httparse::Error::Token)));
        }
        if !self.may_be_http(input) {
            return Err(HandshakeError::MalformedHead(MalformedHead(httparse::Error::Version)));
        }
        let limit = self.limits.size;
        let end = blank_line(input, self.searched);
        // The blank line may begin in the searched part, with at most "\n\r".
        self.searched = input.len().saturating_sub(2);
        match end {
            Some(end) if end <= limit => Ok(Some(end)),
            None if input.len() < limit => Ok(None),
            _ => Err(HandshakeError::HeadTooLarge { limit }),
        }
    }
}

impl HeadSearch {
    /// Returns whether the beginning of a head may be HTTP: a response begins with the version, and
    /// the first line of a request ends with the version.
    fn may_be_http(&mut self, input: &[u8]) -> bool {
        if self.is_judged {
            return true;
        }
        // A blank line before the head is skipped (RFC 9112 section 2.2).
        let start = match input {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        if self.is_response {
            let head = &input[start..];
            let length = head.len().min(VERSION.len());
            self.is_judged = length == VERSION.len();
            return head[..length] == VERSION[..length];
        }
        let from = self.searched.max(start);
        let Some(end) = input[from..].iter().position(|&byte| byte == b'\n') else { return true };
        self.is_judged = true;
        let line = &input[start..from + end];
        line.rsplit(|&byte| byte == b' ').next().is_some_and(|last| last.starts_with(VERSION))
    }
}

/// Returns the end of the first blank line whose preceding line ends at `from` or later.
fn blank_line(input: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = input.get(at..)?.iter().position(|&byte| byte == b'\n') {
        at += found + 1;
        match &input[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// The head of a request, borrowed from the received bytes.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// The target: usually a path with its query.
    pub target: &'a str,
    headers: Vec<Header<'a>>,
}

impl<'a> RequestHead<'a> {
    /// Parses a whole head, of the length that [`HeadSearch::find`] returned.
    ///
    /// # Errors
    /// [`HandshakeError::TooManyHeaders`], [`HandshakeError::HttpVersion`] when the version is not
    /// 1.1, or [`HandshakeError::MalformedHead`].
    pub fn parse(head: &'a [u8], limits: HeadLimits) -> Result<Self, HandshakeError> {
        let mut headers = header_slots(head, limits);
        let mut request = httparse::Request::new(&mut headers);
        let result = request.parse(head);
        let (method, target, version) = (request.method, request.path, request.version);
        let parsed = request.headers.len();
        let (Some(method), Some(target), Ok(Status::Complete(_))) = (method, target, result) else {
            return Err(failure(head, result, limits));
        };
        check_version(version)?;
        headers.truncate(parsed);
        Ok(Self { method, target, headers })
    }

    /// Returns the headers in their order: names as received, values without surrounding
    /// whitespace.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> {
        self.headers.iter().map(|header| (header.name, header.value))
    }
}

/// The head of a response, borrowed from the received bytes.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    headers: Vec<Header<'a>>,
}

impl<'a> ResponseHead<'a> {
    /// Parses a whole head, of the length that [`HeadSearch::find`] returned.
    ///
    /// # Errors
    /// [`HandshakeError::TooManyHeaders`], [`HandshakeError::HttpVersion`] when the version is
    /// neither 1.0 nor 1.1, or that of a 101 is not 1.1, or [`HandshakeError::MalformedHead`].
    pub fn parse(head: &'a [u8], limits: HeadLimits) -> Result<Self, HandshakeError> {
        let mut headers = header_slots(head, limits);
        let mut response = httparse::Response::new(&mut headers);
        let result = response.parse(head);
        let (code, version) = (response.code, response.version);
        let parsed = response.headers.len();
        let status = code.and_then(|code| StatusCode::from_u16(code).ok());
        let (Some(status), Ok(Status::Complete(_))) = (status, result) else {
            return Err(failure(head, result, limits));
        };
        // The status of a refusal by an HTTP/1.0 server is still useful.
        if status == StatusCode::SWITCHING_PROTOCOLS {
            check_version(version)?;
        }
        headers.truncate(parsed);
        Ok(Self { status, headers })
    }

    /// Returns the status and the first headers of a head that exceeds the limits, as far as the
    /// limits allow; `None` when not even those are HTTP.
    pub fn beginning(input: &[u8], limits: HeadLimits) -> Option<(StatusCode, HeaderMap)> {
        let input = &input[..input.len().min(limits.size)];
        let lines = input.split_inclusive(|&byte| byte == b'\n');
        let whole = lines.take(1 + limits.headers).filter(|line| line.ends_with(b"\n"));
        let mut head = whole.collect::<Vec<_>>().concat();
        head.extend_from_slice(b"\r\n");
        let head = ResponseHead::parse(&head, limits).ok()?;
        Some((head.status, head.to_headers()))
    }

    /// Returns whether the response is interim: every 1xx status but 101 is, and any server or
    /// proxy may send such responses first (RFC 9110 section 15.2). The caller skips such a head;
    /// the next one follows it.
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }

    /// Returns the headers in their order: names as received, values without surrounding
    /// whitespace.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> {
        self.headers.iter().map(|header| (header.name, header.value))
    }

    /// Copies the headers. Headers whose name or value HTTP does not allow are left out.
    pub fn to_headers(&self) -> HeaderMap {
        let known = self.headers().filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in known {
            // A map has its own limit, far above that of a head unless the program set another.
            let _ = headers.try_append(name, value);
        }
        headers
    }
}

/// Creates an empty header for each line of the head, up to the limit: the parser's only
/// allocation.
fn header_slots(head: &[u8], limits: HeadLimits) -> Vec<Header<'_>> {
    let lines = head.split(|&byte| byte == b'\n').count();
    vec![EMPTY_HEADER; lines.min(limits.headers)]
}

fn check_version(minor: Option<u8>) -> Result<(), HandshakeError> {
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# An HTTP/1.1 or higher GET request, including a "Request-URI"
    match minor {
        Some(1) => Ok(()),
        _ => Err(HandshakeError::HttpVersion { version: "HTTP/1.0".into() }),
    }
}

fn failure(
    head: &[u8],
    result: Result<Status<usize>, httparse::Error>,
    limits: HeadLimits,
) -> HandshakeError {
    match result {
        Err(httparse::Error::TooManyHeaders) => {
            HandshakeError::TooManyHeaders { limit: limits.headers }
        }
        Err(httparse::Error::Version) => {
            HandshakeError::HttpVersion { version: excerpt(version_word(head)) }
        }
        Err(error) => HandshakeError::MalformedHead(MalformedHead(error)),
        // The blank line came before the parser expected it, or the status is below 100.
        Ok(_) => HandshakeError::MalformedHead(MalformedHead(httparse::Error::Status)),
    }
}

/// Returns the word of the first line that names the version: the first of a response, the last of
/// a request.
fn version_word(head: &[u8]) -> &[u8] {
    let line = head.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line.trim_ascii().split(|&byte| byte == b' ');
    match words.next() {
        Some(first) if first.starts_with(b"HTTP/") => first,
        first => words.next_back().or(first).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] =
        b"GET /chat?x=1 HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nX-Two:  b \r\n\r\n";

    #[test]
    fn a_request_is_found_and_parsed_at_every_split() {
        let mut input = REQUEST.to_vec();
        input.extend_from_slice(b"\x81\x00\n\r\n\n\n");
        for split in 0..=input.len() {
            let mut search = HeadSearch::new(HeadLimits::default());
            let first = search.find(&input[..split]).unwrap();
            let found = first.or_else(|| search.find(&input).unwrap());
            assert_eq!(first.is_some(), split >= REQUEST.len(), "split at {split}");
            assert_eq!(found, Some(REQUEST.len()), "split at {split}");
        }
        let head = RequestHead::parse(REQUEST, HeadLimits::default()).unwrap();
        assert_eq!((head.method, head.target), ("GET", "/chat?x=1"));
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(
            headers,
            [("Host", &b"example.com"[..]), ("X-Empty", &b""[..]), ("X-Two", &b"b"[..])]
        );
    }

    #[test]
    fn a_head_may_come_a_byte_at_a_time_with_bare_line_feeds() {
        for head in [&b"GET / HTTP/1.1\nHost: a\n\n"[..], b"\r\nGET / HTTP/1.1\r\nA: b\n\r\n"] {
            let mut search = HeadSearch::default();
            for length in 0..head.len() {
                assert_eq!(search.find(&head[..length]), Ok(None), "{length}");
            }
            assert_eq!(search.find(head), Ok(Some(head.len())));
            assert_eq!(RequestHead::parse(head, HeadLimits::default()).unwrap().target, "/");
        }
    }

    #[test]
    fn a_head_of_just_the_limit_passes_and_one_byte_more_does_not() {
        let limits = |size| HeadLimits { size, ..HeadLimits::default() };
        let length = REQUEST.len();
        for split in 0..length {
            let mut search = HeadSearch::new(limits(length));
            search.find(&REQUEST[..split]).unwrap();
            assert_eq!(search.find(REQUEST), Ok(Some(length)));
            let mut search = HeadSearch::new(limits(length - 1));
            let result = search.find(&REQUEST[..split]).and_then(|_| search.find(REQUEST));
            assert_eq!(result, Err(HandshakeError::HeadTooLarge { limit: length - 1 }));
        }
    }

    #[test]
    fn too_many_headers_are_refused() {
        let head = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
        let limits = HeadLimits { headers: 3, ..HeadLimits::default() };
        assert_eq!(RequestHead::parse(head(3).as_bytes(), limits).unwrap().headers().len(), 3);
        assert_eq!(
            RequestHead::parse(head(4).as_bytes(), limits).unwrap_err(),
            HandshakeError::TooManyHeaders { limit: 3 }
        );
    }

    #[test]
    fn what_cannot_be_http_is_refused_at_its_first_byte() {
        for first in [&b"\x16\x03\x01"[..], b" GET", b"\x81"] {
            assert!(matches!(
                HeadSearch::default().find(first),
                Err(HandshakeError::MalformedHead(_))
            ));
        }
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_line() {
        let response = |input: &[u8]| HeadSearch::of_response(HeadLimits::new()).find(input);
        let request = |input: &[u8]| HeadSearch::new(HeadLimits::new()).find(input);
        for banner in [&b"SSH-2.0-x\r\n"[..], b"S", b"220 smtp ready\r\n", b"HTTQ", b"\r\n+OK\r\n"]
        {
            assert!(matches!(response(banner), Err(HandshakeError::MalformedHead(_))));
        }
        for beginning in [&b""[..], b"\r\n", b"H", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nA: b"] {
            assert_eq!(response(beginning), Ok(None));
        }
        for line in [&b"EHLO me\r\n"[..], b"*1\r\n$4\r\nPING\r\n", b"GET / HTTX/1.1\r\nA"] {
            assert!(matches!(request(line), Err(HandshakeError::MalformedHead(_))));
        }
        for beginning in [&b"EHLO me"[..], b"GET / HTTP/1.1\r\n", b"GET / HTTP/9\nA", b"\r\nG"] {
            assert_eq!(request(beginning), Ok(None));
        }
    }

    #[test]
    fn the_beginning_of_a_head_that_is_too_large_has_its_status() {
        let head = format!("HTTP/1.1 429 x\r\nRetry-After: 5\r\n{}", "A: b\r\n".repeat(50));
        for limits in [HeadLimits::new().size(36), HeadLimits::new().headers(1)] {
            let (status, headers) = ResponseHead::beginning(head.as_bytes(), limits).unwrap();
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(headers.len(), 1);
            assert_eq!(headers["retry-after"], "5");
        }
        let (_, headers) = ResponseHead::beginning(head.as_bytes(), HeadLimits::new()).unwrap();
        assert_eq!(headers.get_all("a").iter().count(), 50);
        assert_eq!(ResponseHead::beginning(head.as_bytes(), HeadLimits::new().size(10)), None);
        assert_eq!(ResponseHead::beginning(b"SSH-2.0\r\n", HeadLimits::new()), None);
    }

    #[test]
    fn malformed_heads_are_refused() {
        for head in [
            &b"GET\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
            b"\r\n\r\n",
            b"",
            b"GET / HTTP/1.1\r\nA: b\r\n",
        ] {
            let error = RequestHead::parse(head, HeadLimits::default()).unwrap_err();
            assert!(matches!(error, HandshakeError::MalformedHead(_)), "{error:?}");
            let error = ResponseHead::parse(head, HeadLimits::default()).unwrap_err();
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn another_http_version_is_named() {
        for (line, version) in [
            ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0"),
            ("GET / HTTP/2.0\r\n\r\n", "HTTP/2.0"),
            ("GET / HTTX/1.1\r\n\r\n", "HTTX/1.1"),
        ] {
            assert_eq!(
                RequestHead::parse(line.as_bytes(), HeadLimits::default()).unwrap_err(),
                HandshakeError::HttpVersion { version: version.into() }
            );
        }
    }

    #[test]
    fn an_interim_response_is_distinguished_from_a_final_one() {
        for (status, is_interim) in [(100, true), (103, true), (101, false), (200, false)] {
            let head = format!("HTTP/1.1 {status} x\r\n\r\n");
            let head = ResponseHead::parse(head.as_bytes(), HeadLimits::default()).unwrap();
            assert_eq!(head.is_interim(), is_interim, "{status}");
        }
    }

    #[test]
    fn a_response_gives_its_status_and_headers() {
        let head = ResponseHead::parse(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            HeadLimits::default(),
        )
        .unwrap();
        assert_eq!(head.status, StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(head.headers().collect::<Vec<_>>(), [("Upgrade", &b"websocket"[..])]);
        let head = ResponseHead::parse(b"HTTP/1.0 503\r\n\r\n", HeadLimits::default()).unwrap();
        assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            ResponseHead::parse(b"HTTP/1.0 101 x\r\n\r\n", HeadLimits::default()).unwrap_err(),
            HandshakeError::HttpVersion { version: "HTTP/1.0".into() }
        );
        assert!(matches!(
            ResponseHead::parse(b"HTTP/1.1 001 x\r\n\r\n", HeadLimits::default()).unwrap_err(),
            HandshakeError::MalformedHead(_)
        ));
    }
}
