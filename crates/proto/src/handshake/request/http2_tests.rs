use super::*;
use crate::handshake::{ClientRequest, HandshakeError, Key, Refusal, SubprotocolError, Terms};

const URI: &str = "https://example.com:8443/chat?room=1";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in [("sec-websocket-version", "13")].iter().chain(pairs) {
        map.append(*name, http::HeaderValue::from_static(value));
    }
    map
}

/// Checks an extended CONNECT to `uri` with these headers and the version. Returns its host and
/// target.
fn check_at(
    uri: &'static str,
    pairs: &[(&'static str, &'static str)],
) -> Result<(String, String), HandshakeError> {
    let (uri, headers) = (Uri::from_static(uri), headers(pairs));
    Request::from_http2(&Method::CONNECT, Some(b"websocket"), &uri, &headers).map(|request| {
        assert_eq!(request.key(), None);
        (request.host().to_owned(), request.target().to_owned())
    })
}

fn check(pairs: &[(&'static str, &'static str)]) -> Result<(String, String), HandshakeError> {
    check_at(URI, pairs)
}

fn at(host: &str, target: &str) -> (String, String) {
    (host.to_owned(), target.to_owned())
}

#[test]
fn an_extended_connect_for_a_websocket_is_understood() {
    let headers = headers(&[
        ("origin", "https://example.com:8443"),
        ("sec-websocket-protocol", "chat.v2, chat"),
        ("sec-websocket-extensions", "a; b=1"),
    ]);
    let uri = Uri::from_static(URI);
    let request =
        Request::from_http2(&Method::CONNECT, Some(b"websocket"), &uri, &headers).unwrap();
    assert_eq!((request.path(), request.raw_query()), ("/chat", Some("room=1")));
    assert_eq!(request.host(), "example.com:8443");
    assert_eq!(request.origin(), Some("https://example.com:8443"));
    assert_eq!(request.subprotocols(), ["chat.v2", "chat"]);
    assert_eq!(request.extensions().len(), 1);
    assert_eq!(request.key(), None);
}

#[test]
fn the_method_must_be_connect_and_the_protocol_websocket() {
    let (uri, headers) = (Uri::from_static(URI), headers(&[]));
    let ask = |method, protocol: Option<&[u8]>| {
        Request::from_http2(&method, protocol, &uri, &headers).unwrap_err()
    };
    assert_eq!(
        ask(Method::GET, Some(b"websocket")),
        HandshakeError::NotConnect { method: "GET".into() }
    );
    assert_eq!(ask(Method::CONNECT, None), HandshakeError::MissingHeader { name: ":protocol" });
    for other in ["WebSocket", "connect-udp", ""] {
        assert_eq!(
            ask(Method::CONNECT, Some(other.as_bytes())),
            HandshakeError::ProtocolNotWebSocket { protocol: other.into() }
        );
    }
}

#[test]
fn the_authority_takes_the_place_of_the_host() {
    assert_eq!(check(&[]), Ok(at("example.com:8443", "/chat?room=1")));
    assert_eq!(check(&[("host", "example.com:8443")]), Ok(at("example.com:8443", "/chat?room=1")));
    assert_eq!(
        check(&[("host", "other.test")]),
        Err(HandshakeError::Target { target: "example.com:8443".into() })
    );
    assert_eq!(check_at("http://example.com", &[]), Ok(at("example.com", "/")));
    let host = "user@example.com".to_owned();
    assert_eq!(check_at("https://user@example.com/", &[]), Err(HandshakeError::Host { host }));
    assert_eq!(
        check_at("ftp://example.com/", &[]),
        Err(HandshakeError::Target { target: "example.com".into() })
    );
    for uri in ["/chat", "*"] {
        assert_eq!(
            check_at(uri, &[("host", "example.com")]),
            Err(HandshakeError::MissingHeader { name: ":authority" })
        );
    }
}

#[test]
fn headers_of_an_upgrade_are_refused_and_a_bad_key_is_ignored() {
    for (pairs, name) in
        [([("upgrade", "websocket")], "Upgrade"), ([("connection", "upgrade")], "Connection")]
    {
        assert_eq!(check(&pairs), Err(HandshakeError::ConnectionHeader { name }));
    }
    check(&[("sec-websocket-key", "no key")]).unwrap();
    let twice = [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="); 2];
    check(&twice).unwrap();
}

/// The sample of RFC 6455 section 1.3. A proxy that translates the request from HTTP/1.1 must send
/// this answer to its client.
#[test]
fn a_key_over_http2_is_answered() {
    let uri = Uri::from_static(URI);
    let with_key = headers(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]);
    let ask = |headers| {
        let request =
            Request::from_http2(&Method::CONNECT, Some(b"websocket"), &uri, headers).unwrap();
        Terms::new().answer(&request).unwrap()
    };
    let response = ask(&with_key);
    assert_eq!(response.status(), 200);
    let answer = response.to_headers();
    assert_eq!(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(answer.len(), 1);
    assert!(ask(&headers(&[])).to_headers().is_empty());
}

#[test]
fn all_other_rules_are_those_of_an_upgrade() {
    assert_eq!(check(&[("content-length", "1")]), Err(HandshakeError::Content));
    assert_eq!(
        check(&[("sec-websocket-version", "13")]),
        Err(HandshakeError::DuplicateHeader { name: "Sec-WebSocket-Version" })
    );
    assert_eq!(
        check(&[("sec-websocket-protocol", "a, a")]),
        Err(SubprotocolError::Duplicate { subprotocol: "a".into() }.into())
    );
    let (uri, mut headers) = (Uri::from_static(URI), headers(&[]));
    let ask = |headers: &HeaderMap| {
        Request::from_http2(&Method::CONNECT, Some(b"websocket"), &uri, headers).unwrap_err()
    };
    headers.insert("sec-websocket-version", http::HeaderValue::from_static("8"));
    assert_eq!(ask(&headers), HandshakeError::WebSocketVersion { version: "8".into() });
    headers.remove("sec-websocket-version");
    assert_eq!(ask(&headers), HandshakeError::MissingHeader { name: "Sec-WebSocket-Version" });
}

#[test]
fn the_answer_is_200_without_what_belongs_to_an_upgrade() {
    let (uri, headers) = (Uri::from_static(URI), headers(&[("sec-websocket-protocol", "a, b")]));
    let request =
        Request::from_http2(&Method::CONNECT, Some(b"websocket"), &uri, &headers).unwrap();
    let response = Terms::new().subprotocols(["b"]).answer(&request).unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.to_headers();
    assert_eq!(headers.len(), 1, "{headers:?}");
    assert_eq!(headers["sec-websocket-protocol"], "b");
}

#[test]
fn a_page_of_another_origin_is_refused_over_http2_as_well() {
    let (uri, headers) = (Uri::from_static(URI), headers(&[("origin", "https://evil.test")]));
    let request =
        Request::from_http2(&Method::CONNECT, Some(b"websocket"), &uri, &headers).unwrap();
    let error = Terms::new().answer(&request).unwrap_err();
    assert_eq!(
        error,
        HandshakeError::OriginRefused {
            origin: "https://evil.test".into(),
            host: "example.com:8443".into(),
        }
    );
    assert_eq!(Refusal::from(&error).status(), 403);
}

#[test]
fn client_and_server_agree_over_http2() {
    let mut client = ClientRequest::new("wss://example.com/chat?x=1".parse().unwrap());
    client.add_subprotocol("chat").unwrap();
    client.add_header(http::header::COOKIE, http::HeaderValue::from_static("a=b")).unwrap();
    #[cfg(feature = "deflate")]
    client.set_deflate(Some(crate::deflate::Deflate::new()));
    let key = Key::new(*b"the sample nonce");
    let sent = client.to_http2(Some(key)).unwrap();
    assert_eq!((sent.method(), sent.version()), (&Method::CONNECT, Version::HTTP_2));
    assert_eq!(sent.uri(), "https://example.com/chat?x=1");
    for name in ["host", "upgrade", "connection"] {
        assert!(!sent.headers().contains_key(name), "{name}");
    }

    let received =
        Request::from_http2(sent.method(), Some(b"websocket"), sent.uri(), sent.headers()).unwrap();
    assert_eq!(received.header("cookie"), Some(&b"a=b"[..]));
    assert_eq!(received.key(), Some(key));
    let terms = Terms::new().subprotocols(["chat"]);
    #[cfg(feature = "deflate")]
    let terms = terms.deflate(crate::deflate::Deflate::new());
    let response = terms.answer(&received).unwrap();
    let negotiated = client.verify_http2(response.status(), &response.to_headers()).unwrap();
    assert_eq!(&negotiated, response.negotiated());
    assert_eq!(negotiated.subprotocol.as_deref(), Some("chat"));
    #[cfg(feature = "deflate")]
    assert!(negotiated.deflate.is_some());
}

#[test]
fn a_host_of_ones_own_is_the_authority() {
    let mut client = ClientRequest::new("ws://127.0.0.1:80/".parse().unwrap());
    let virtual_host = http::HeaderValue::from_static("virtual.test");
    client.add_header(http::header::HOST, virtual_host).unwrap();
    assert_eq!(client.to_http2(None).unwrap().uri(), "http://virtual.test/");
    let mut client = ClientRequest::new("ws://127.0.0.1/".parse().unwrap());
    client.add_header(http::header::HOST, http::HeaderValue::from_static("a b")).unwrap();
    assert_eq!(
        client.to_http2(None).unwrap_err(),
        crate::handshake::RequestError::InvalidHeaderValue { name: http::header::HOST }
    );
}

#[test]
fn an_answer_over_http2_is_held_to_the_same_rules() {
    let client = ClientRequest::new("ws://example.com/".parse().unwrap());
    let answer = |status: u16, pairs: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        client.verify_http2(http::StatusCode::from_u16(status).unwrap(), &headers)
    };
    assert_eq!(answer(200, &[]).unwrap().subprotocol, None);
    assert_eq!(answer(204, &[]).unwrap().subprotocol, None);
    assert_eq!(
        answer(200, &[("sec-websocket-protocol", "chat")]),
        Err(HandshakeError::UnrequestedSubprotocol { subprotocol: "chat".into() })
    );
    assert_eq!(
        answer(200, &[("sec-websocket-extensions", "x")]),
        Err(HandshakeError::UnofferedExtension { extension: "x".into() })
    );
    match answer(503, &[("retry-after", "5")]) {
        Err(HandshakeError::Status { status, headers, .. }) => {
            assert_eq!((status.as_u16(), &headers["retry-after"]), (503, &"5".parse().unwrap()));
        }
        other => panic!("{other:?}"),
    }
}
