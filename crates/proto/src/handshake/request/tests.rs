use proptest::prelude::*;

use super::*;
use crate::handshake::{HeadLimits, HeadSearch, MAX_SUBPROTOCOLS, ResponseHead, SubprotocolError};

const GOOD: [(&str, &str); 5] = [
    ("Host", "example.com:8080"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

/// The properties of a request that the tests compare, as owned values.
type Seen = (String, String, Option<String>, Vec<String>, Vec<String>);

fn seen(request: &Request<'_>) -> Seen {
    (
        request.target().to_owned(),
        request.host().to_owned(),
        request.origin().map(ToOwned::to_owned),
        request.subprotocols().iter().map(ToString::to_string).collect(),
        request.extensions().iter().map(ToString::to_string).collect(),
    )
}

/// Checks a request both as bytes and as an HTTP library's, and asserts that the results are equal.
fn check(headers: &[(&str, &str)]) -> Result<Seen, HandshakeError> {
    let mut head = "GET /chat?room=1 HTTP/1.1\r\n".to_owned();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
        let name: http::HeaderName = name.parse().unwrap();
        map.append(name, value.parse().unwrap());
    }
    head += "\r\n";
    let head = RequestHead::parse(head.as_bytes(), HeadLimits::default()).unwrap();
    let from_head = Request::from_head(&head).map(|request| seen(&request));
    let uri = Uri::from_static("/chat?room=1");
    let from_http = Request::from_http(&Method::GET, Version::HTTP_11, &uri, &map)
        .map(|request| seen(&request));
    assert_eq!(from_head, from_http);
    from_head
}

fn check_line(line: &str) -> Result<String, HandshakeError> {
    let mut head = format!("{line}\r\n");
    let mut map = HeaderMap::new();
    for (name, value) in GOOD {
        head.extend([name, ": ", value, "\r\n"]);
        map.append(name, http::HeaderValue::from_static(value));
    }
    head += "\r\n";
    let head = RequestHead::parse(head.as_bytes(), HeadLimits::default())?;
    let from_head = Request::from_head(&head).map(|request| request.target().to_owned());
    // Not every target is a `Uri`.
    if let Ok(uri) = head.target.parse() {
        let method = head.method.parse().unwrap();
        let from_http = Request::from_http(&method, Version::HTTP_11, &uri, &map)
            .map(|request| request.target().to_owned());
        assert_eq!(from_head, from_http);
    }
    from_head
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut headers = GOOD.to_vec();
    match headers.iter_mut().find(|header| header.0 == name) {
        Some(header) => header.1 = value,
        None => headers.push((name, value)),
    }
    headers
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    GOOD.into_iter().filter(|header| header.0 != name).collect()
}

fn doubled(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut headers = with(name, value);
    headers.push((name, value));
    headers
}

#[test]
fn a_whole_request_is_understood() {
    let mut headers = GOOD.to_vec();
    headers.extend([
        ("Origin", "http://example.com:8080"),
        ("Sec-WebSocket-Protocol", "chat.v2, chat"),
        ("sec-websocket-protocol", "plain"),
        ("Sec-WebSocket-Extensions", "a; b=1"),
        ("Sec-WebSocket-Extensions", "c, d"),
    ]);
    let (target, host, origin, subprotocols, extensions) = check(&headers).unwrap();
    assert_eq!((target.as_str(), host.as_str()), ("/chat?room=1", "example.com:8080"));
    assert_eq!(origin.as_deref(), Some("http://example.com:8080"));
    assert_eq!(subprotocols, ["chat.v2", "chat", "plain"]);
    assert_eq!(extensions, ["a; b=1", "c", "d"]);
}

#[test]
fn header_names_and_list_elements_are_in_any_case_and_place() {
    for headers in [
        with("Upgrade", "WebSocket"),
        with("Upgrade", "h2c, WEBSOCKET"),
        with("Connection", "keep-alive, upgrade"),
        doubled("Upgrade", "websocket"),
        with("Content-Length", "0"),
    ] {
        check(&headers).unwrap();
    }
    let lower: Vec<_> = GOOD.iter().map(|(name, value)| (name.to_lowercase(), *value)).collect();
    let lower: Vec<_> = lower.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    check(&lower).unwrap();
}

#[test]
fn each_needed_header_is_missed() {
    for (name, _) in GOOD {
        assert_eq!(check(&without(name)), Err(HandshakeError::MissingHeader { name }));
    }
}

#[test]
fn a_header_that_must_come_once_is_refused_the_second_time() {
    for (name, value) in [
        ("Host", "example.com"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Origin", "http://example.com"),
    ] {
        assert_eq!(check(&doubled(name, value)), Err(HandshakeError::DuplicateHeader { name }));
    }
}

#[test]
fn each_wrong_value_is_named() {
    let value = || "no".to_owned();
    for (name, error) in [
        ("Upgrade", HandshakeError::UpgradeNotWebSocket { value: value() }),
        ("Connection", HandshakeError::ConnectionNotUpgrade { value: value() }),
        ("Sec-WebSocket-Key", HandshakeError::Key { key: value() }),
        ("Sec-WebSocket-Version", HandshakeError::WebSocketVersion { version: value() }),
    ] {
        assert_eq!(check(&with(name, "no")), Err(error));
    }
    let host = "user@example.com".to_owned();
    assert_eq!(check(&with("Host", "user@example.com")), Err(HandshakeError::Host { host }));
    assert_eq!(
        check(&with("Sec-WebSocket-Extensions", "a;")),
        Err(HandshakeError::Extensions(crate::extension::ExtensionError::ExpectedToken { at: 2 }))
    );
}

#[test]
fn another_version_is_named_even_where_there_is_no_key() {
    let mut headers = with("Sec-WebSocket-Version", "8");
    headers.retain(|header| header.0 != "Sec-WebSocket-Key");
    assert_eq!(check(&headers), Err(HandshakeError::WebSocketVersion { version: "8".into() }));
}

#[test]
fn content_is_refused() {
    for (name, value) in [("Content-Length", "1"), ("Transfer-Encoding", "chunked")] {
        assert_eq!(check(&with(name, value)), Err(HandshakeError::Content));
    }
}

#[test]
fn subprotocols_are_tokens_unique_and_not_too_many() {
    assert_eq!(
        check(&with("Sec-WebSocket-Protocol", "a, b c")),
        Err(SubprotocolError::NotToken { subprotocol: "b c".into() }.into())
    );
    assert_eq!(
        check(&with("Sec-WebSocket-Protocol", "a, A, a")),
        Err(SubprotocolError::Duplicate { subprotocol: "a".into() }.into())
    );
    let many = (0..=MAX_SUBPROTOCOLS).map(|at| format!("p{at}")).collect::<Vec<_>>().join(",");
    let mut headers = GOOD.to_vec();
    headers.push(("Sec-WebSocket-Protocol", &many));
    assert_eq!(check(&headers), Err(SubprotocolError::TooMany { limit: MAX_SUBPROTOCOLS }.into()));
}

#[test]
fn a_header_of_the_handshake_must_be_visible_ascii() {
    let head = b"GET / HTTP/1.1\r\nHost: ex\xc3\xa4mple\r\n\r\n";
    let head = RequestHead::parse(head, HeadLimits::default()).unwrap();
    assert_eq!(
        Request::from_head(&head).unwrap_err(),
        HandshakeError::HeaderNotText { name: "Host" }
    );
}

#[test]
fn the_method_must_be_get_in_version_1_1() {
    assert_eq!(
        check_line("POST / HTTP/1.1"),
        Err(HandshakeError::Method { method: "POST".into() })
    );
    let (uri, headers) = (Uri::from_static("/"), HeaderMap::new());
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let error = Request::from_http(&Method::GET, version, &uri, &headers).unwrap_err();
        assert_eq!(error, HandshakeError::HttpVersion { version: format!("{version:?}") });
    }
}

#[test]
fn a_target_is_a_path_or_a_url_of_the_same_host() {
    for (target, path) in [
        ("/a/b?c=d", "/a/b?c=d"),
        ("/?u=http://other.test/", "/?u=http://other.test/"),
        ("http://example.com:8080/x", "/x"),
        ("ws://EXAMPLE.com:8080", "/"),
        ("HTTPS://example.com:8080/", "/"),
        ("http://example.com:8080?q", "?q"),
    ] {
        assert_eq!(check_line(&format!("GET {target} HTTP/1.1")).as_deref(), Ok(path));
    }
    for target in [
        "*",
        "?q",
        "chat",
        "example.com:8080",
        "http://other.test/x",
        "http://example.com/x",
        "://example.com:8080/",
        "ftp://example.com:8080/",
        "http://",
    ] {
        let error = check_line(&format!("GET {target} HTTP/1.1")).unwrap_err();
        assert!(matches!(error, HandshakeError::Target { .. }), "{target}: {error:?}");
    }
}

#[test]
fn a_target_and_a_host_may_differ_in_a_default_port() {
    for (target, host) in [
        ("http://example.com:80/", "example.com"),
        ("wss://example.com/", "example.com:443"),
        ("https://example.com", "example.com"),
    ] {
        let uri: Uri = target.parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in with("Host", host) {
            headers.append(name, http::HeaderValue::from_static(value));
        }
        let request = Request::from_http(&Method::GET, Version::HTTP_11, &uri, &headers);
        assert_eq!(request.unwrap().target(), "/", "{target}");
    }
}

#[test]
fn the_path_of_a_url_without_one_is_a_slash() {
    let head =
        b"GET http://a?b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let head = RequestHead::parse(head, HeadLimits::default()).unwrap();
    let request = Request::from_head(&head).unwrap();
    assert_eq!((request.path(), request.raw_query()), ("/", Some("b")));
}

#[test]
fn any_header_can_be_looked_up() {
    let head = b"GET /a?b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nCookie: \xff\r\n\r\n";
    let head = RequestHead::parse(head, HeadLimits::default()).unwrap();
    let request = Request::from_head(&head).unwrap();
    assert_eq!(request.header("cookie"), Some(&b"\xff"[..]));
    assert_eq!(request.header("x-none"), None);
    assert_eq!(request.headers().count(), 6);
    assert_eq!((request.path(), request.raw_query()), ("/a", Some("b")));
}

proptest! {
    #[test]
    fn no_bytes_make_a_head_panic_and_no_split_changes_what_is_found(
        start in prop::sample::select(vec!["", "GET / HTTP/1.1\r\n", "HTTP/1.1 101 x\r\n"]),
        rest in "[a-zA-Z:, \t\r\n;=/\"é]{0,80}",
        split in 0usize..120,
        response: bool,
    ) {
        let bytes = [start, &rest].concat().into_bytes();
        let limits = HeadLimits { size: 100, headers: 4 };
        let new = if response { HeadSearch::of_response } else { HeadSearch::new };
        let whole = new(limits).find(&bytes);
        let mut search = new(limits);
        let first = search.find(&bytes[..split.min(bytes.len())]);
        let found = match first {
            Ok(None) => search.find(&bytes),
            early => early,
        };
        prop_assert_eq!(found, whole.clone());
        let head = &bytes[..whole.ok().flatten().unwrap_or(bytes.len())];
        if let Ok(head) = RequestHead::parse(head, limits) {
            let _ = Request::from_head(&head);
        }
        let _ = ResponseHead::parse(head, limits);
    }
}
