use super::*;
use crate::handshake::{
    HeadLimits, HeadSearch, MAX_SUBPROTOCOLS, Request, RequestHead, SubprotocolError,
};

const KEY: [u8; 16] = *b"the sample nonce";

const GOOD: [(&str, &str); 3] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
];

fn request() -> ClientRequest {
    ClientRequest::new("ws://example.com:8080/chat?x=1".parse().unwrap())
}

fn verify_with(
    request: &ClientRequest,
    headers: &[(&str, &str)],
) -> Result<Negotiated, HandshakeError> {
    let mut head = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head += "\r\n";
    let head = ResponseHead::parse(head.as_bytes(), HeadLimits::default()).unwrap();
    request.verify(Key::new(KEY), &head)
}

fn verify(headers: &[(&str, &str)]) -> Result<Negotiated, HandshakeError> {
    verify_with(&request(), headers)
}

fn replaced(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let replace = |header: (&'static str, &'static str)| {
        if header.0 == name { (header.0, value) } else { header }
    };
    GOOD.into_iter().map(replace).collect()
}

fn added(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    GOOD.into_iter().chain([(name, value)]).collect()
}

#[test]
fn a_request_is_what_a_server_expects() {
    let mut request = request();
    request.add_subprotocol("chat").unwrap();
    request.add_subprotocol("superchat").unwrap();
    request.add_header(http::header::ORIGIN, HeaderValue::from_static("http://a.test")).unwrap();
    let mut bytes = Vec::new();
    request.encode(Key::new(KEY), &mut bytes);
    assert_eq!(HeadSearch::default().find(&bytes), Ok(Some(bytes.len())));
    let head = RequestHead::parse(&bytes, HeadLimits::default()).unwrap();
    let seen = Request::from_head(&head).unwrap();
    assert_eq!((seen.target(), seen.host()), ("/chat?x=1", "example.com:8080"));
    assert_eq!(seen.subprotocols(), ["chat", "superchat"]);
    assert_eq!(seen.origin(), Some("http://a.test"));
    assert_eq!(seen.key(), Some(Key::new(KEY)));
    assert!(seen.extensions().is_empty());
}

#[test]
fn a_host_of_ones_own_takes_the_place_of_the_urls() {
    let mut request = request();
    request.add_header(HOST, HeaderValue::from_static("virtual.test")).unwrap();
    let mut bytes = Vec::new();
    request.encode(Key::new(KEY), &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("Host: virtual.test\r\n"), "{text}");
    assert_eq!(text.to_lowercase().matches("\r\nhost:").count(), 1, "{text}");
    assert_eq!(
        request.add_header(HOST, HeaderValue::from_static("other.test")),
        Err(RequestError::DuplicateHost)
    );
}

#[test]
fn headers_of_the_handshake_and_of_content_are_the_librarys() {
    for name in [
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "content-length",
        "transfer-encoding",
    ] {
        let name = HeaderName::from_static(name);
        assert_eq!(
            request().add_header(name.clone(), HeaderValue::from_static("x")),
            Err(RequestError::ReservedHeader { name })
        );
    }
}

#[test]
fn subprotocols_asked_for_are_tokens_unique_and_not_too_many() {
    let mut request = request();
    for bad in ["", "a b", "a,b", "é"] {
        let subprotocol = excerpt(bad);
        assert_eq!(
            request.add_subprotocol(bad),
            Err(SubprotocolError::NotToken { subprotocol }.into())
        );
    }
    for at in 0..MAX_SUBPROTOCOLS {
        request.add_subprotocol(format!("p{at}")).unwrap();
    }
    assert_eq!(
        request.add_subprotocol("p0"),
        Err(SubprotocolError::Duplicate { subprotocol: "p0".into() }.into())
    );
    assert_eq!(
        request.add_subprotocol("q"),
        Err(SubprotocolError::TooMany { limit: MAX_SUBPROTOCOLS }.into())
    );
}

#[test]
fn a_good_answer_is_accepted_in_any_case() {
    assert_eq!(verify(&GOOD), Ok(Negotiated::default()));
    assert_eq!(verify(&replaced("Upgrade", "WebSocket")), Ok(Negotiated::default()));
    assert_eq!(verify(&replaced("Connection", "x, UPGRADE")), Ok(Negotiated::default()));
}

#[test]
fn another_status_is_returned_with_its_headers() {
    let head = b"HTTP/1.1 302 Found\r\nLocation: /\r\nX: 1\r\nx: 2\r\n\r\n";
    let head = ResponseHead::parse(head, HeadLimits::default()).unwrap();
    let mut headers = Box::<HeaderMap>::default();
    headers.append("location", "/".parse().unwrap());
    headers.append("x", "1".parse().unwrap());
    headers.append("x", "2".parse().unwrap());
    let body = bytes::Bytes::new();
    assert_eq!(
        request().verify(Key::new(KEY), &head),
        Err(HandshakeError::Status { status: StatusCode::FOUND, headers, body })
    );
}

#[test]
fn headers_are_replaced_only_as_they_could_be_added() {
    let mut request = request();
    let mut headers = HeaderMap::new();
    headers.append("authorization", "Bearer b".parse().unwrap());
    request.set_headers(headers.clone()).unwrap();
    let mut reserved = headers.clone();
    reserved.append("upgrade", "h2c".parse().unwrap());
    assert_eq!(
        request.set_headers(reserved),
        Err(RequestError::ReservedHeader { name: http::header::UPGRADE })
    );
    let mut hosts = headers.clone();
    hosts.append("host", "a".parse().unwrap());
    hosts.append("host", "b".parse().unwrap());
    assert_eq!(request.set_headers(hosts), Err(RequestError::DuplicateHost));
    assert_eq!(*request.headers(), headers);
}

#[test]
fn each_missing_header_is_named() {
    for (name, _) in GOOD {
        let rest: Vec<_> = GOOD.into_iter().filter(|header| header.0 != name).collect();
        assert_eq!(verify(&rest), Err(HandshakeError::MissingHeader { name }));
    }
}

#[test]
fn each_wrong_value_is_named() {
    let value = || "h2c, websocket".to_owned();
    assert_eq!(
        verify(&replaced("Upgrade", "h2c, websocket")),
        Err(HandshakeError::UpgradeNotWebSocket { value: value() })
    );
    assert_eq!(
        verify(&replaced("Connection", "h2c, websocket")),
        Err(HandshakeError::ConnectionNotUpgrade { value: value() })
    );
    assert_eq!(
        verify(&replaced("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xoo=")),
        Err(HandshakeError::AcceptMismatch {
            expected: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into(),
            received: "s3pPLMBiTxaQ9kYGzzhZRbK+xoo=".into(),
        })
    );
}

#[test]
fn a_header_that_must_come_once_is_refused_the_second_time() {
    for name in ["Upgrade", "Sec-WebSocket-Accept"] {
        let again = GOOD.into_iter().find(|header| header.0 == name).unwrap();
        let headers = added(again.0, again.1);
        assert_eq!(verify(&headers), Err(HandshakeError::DuplicateHeader { name }));
    }
    for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
        let mut headers = added(name, "a");
        headers.push((name, "a"));
        assert_eq!(verify(&headers), Err(HandshakeError::DuplicateHeader { name }));
    }
}

#[test]
fn the_subprotocol_chosen_must_be_one_asked_for() {
    let mut request = request();
    request.add_subprotocol("chat").unwrap();
    let choice = |value| verify_with(&request, &added("Sec-WebSocket-Protocol", value));
    assert_eq!(choice("chat").unwrap().subprotocol.as_deref(), Some("chat"));
    assert_eq!(verify_with(&request, &GOOD).unwrap().subprotocol, None);
    for bad in ["other", "Chat", "chat, chat", ""] {
        let subprotocol = bad.to_owned();
        assert_eq!(choice(bad), Err(HandshakeError::UnrequestedSubprotocol { subprotocol }));
    }
}

#[test]
fn an_extension_that_was_not_offered_is_refused() {
    for extension in ["permessage-deflate", "x; y=1"] {
        assert_eq!(
            verify(&added("Sec-WebSocket-Extensions", extension)),
            Err(HandshakeError::UnofferedExtension { extension: extension.into() })
        );
    }
}

#[cfg(feature = "deflate")]
#[test]
fn compression_is_on_when_the_server_accepts_the_offer() {
    use crate::deflate::{Deflate, NegotiationError};

    let mut request = request();
    request.set_deflate(Some(Deflate::new()));
    let mut bytes = Vec::new();
    request.encode(Key::new(KEY), &mut bytes);
    let head = RequestHead::parse(&bytes, HeadLimits::default()).unwrap();
    assert_eq!(Request::from_head(&head).unwrap().extensions(), [Deflate::new().offer()]);

    let answer = |value| verify_with(&request, &added("Sec-WebSocket-Extensions", value));
    assert!(answer("permessage-deflate").unwrap().deflate.is_some());
    assert!(verify_with(&request, &GOOD).unwrap().deflate.is_none());
    let extension = "permessage-deflate".to_owned();
    assert_eq!(
        answer("permessage-deflate, permessage-deflate"),
        Err(HandshakeError::UnofferedExtension { extension })
    );
    assert_eq!(
        answer("permessage-deflate; x"),
        Err(HandshakeError::Deflate(NegotiationError::UnknownParameter { name: "x".into() }))
    );
}

#[test]
fn an_answer_is_verified_at_every_split() {
    let mut response = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    for (name, value) in GOOD {
        line(&mut response, name, value.as_bytes());
    }
    response.extend_from_slice(b"\r\n");
    let end = response.len();
    response.extend_from_slice(b"\x81\x02\n\n");
    for split in 0..=response.len() {
        let mut search = HeadSearch::of_response(HeadLimits::new());
        let found = search.find(&response[..split]).unwrap();
        let found = found.or_else(|| search.find(&response).unwrap()).unwrap();
        assert_eq!(found, end, "split at {split}");
        let head = ResponseHead::parse(&response[..found], HeadLimits::default()).unwrap();
        assert_eq!(request().verify(Key::new(KEY), &head), Ok(Negotiated::default()));
    }
}

#[test]
fn extensions_of_the_programs_own_are_offered_and_confirmed() {
    let mut request = request();
    request.add_extension("x; a=1").unwrap();
    request.add_extension("y").unwrap();
    let error = request.add_extension("not a token").unwrap_err();
    assert!(matches!(error, RequestError::Extension(_)), "{error:?}");
    let mut bytes = Vec::new();
    request.encode(Key::new(KEY), &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("Sec-WebSocket-Extensions: x; a=1, y\r\n"), "{text}");
    let extensions = "Sec-WebSocket-Extensions";
    let agreed = verify_with(&request, &added(extensions, "y; b=2, x")).unwrap();
    assert_eq!(agreed.extensions.as_deref(), Some("y; b=2, x"));
    assert_eq!(verify_with(&request, &GOOD).unwrap().extensions, None);
    for unoffered in ["z", "permessage-deflate"] {
        let error = HandshakeError::UnofferedExtension { extension: unoffered.into() };
        assert_eq!(verify_with(&request, &added(extensions, unoffered)), Err(error));
    }
    let error = HandshakeError::UnofferedExtension { extension: "x; a=2".into() };
    assert_eq!(verify_with(&request, &added(extensions, "x, x; a=2")), Err(error));
}

#[cfg(feature = "deflate")]
#[test]
fn an_extension_of_the_programs_own_may_be_agreed_on_beside_compression() {
    let mut request = request();
    request.add_extension("x").unwrap();
    request.set_deflate(Some(crate::deflate::Deflate::new()));
    let headers = added("Sec-WebSocket-Extensions", "x, permessage-deflate");
    let agreed = verify_with(&request, &headers).unwrap();
    assert_eq!(agreed.extensions.as_deref(), Some("x, permessage-deflate"));
    assert!(agreed.deflate.is_some());
}
