//! Client errors distinguish transient failures from permanent ones.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use sockeye::handshake::{HandshakeError, RequestError};
use sockeye::proxy::{ProxyUrlError, Reply, TunnelError};
use sockeye::reconnect::Event;
use sockeye::{ConnectError, RedirectError, Stage};

fn io(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

fn headers(retry_after: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", retry_after.parse().unwrap());
    headers
}

fn answered(status: u16, headers: HeaderMap) -> ConnectError {
    let (status, headers) = (StatusCode::from_u16(status).unwrap(), Box::new(headers));
    ConnectError::Handshake(HandshakeError::Status { status, headers, body: "".into() })
}

fn by_proxy(source: TunnelError) -> ConnectError {
    ConnectError::Proxy { proxy: "proxy.test:80".into(), source }
}

fn refused_by_proxy(status: u16, headers: HeaderMap) -> ConnectError {
    let (status, headers) = (StatusCode::from_u16(status).unwrap(), Box::new(headers));
    by_proxy(TunnelError::Refused { status, headers, body: "".into() })
}

#[test]
fn errors_that_may_pass_by_themselves_are_transient() {
    let refused = || io(io::ErrorKind::ConnectionRefused);
    let mut errors = vec![
        ConnectError::Resolve { host: "a".into(), source: refused() },
        ConnectError::Connect { authority: "a:80".into(), attempts: Vec::new() },
        ConnectError::Tls { host: "a".into(), source: io(io::ErrorKind::ConnectionReset) },
        ConnectError::Tls {
            host: "a".into(),
            source: io::Error::new(io::ErrorKind::UnexpectedEof, "ended"),
        },
        ConnectError::Io(refused()),
        ConnectError::TimedOut { stage: Stage::Tls, after: Duration::ZERO },
        ConnectError::Handshake(HandshakeError::Truncated { received: 0 }),
        ConnectError::Hook("no token".into()),
        by_proxy(TunnelError::Io(refused())),
        by_proxy(TunnelError::Answer(HandshakeError::Truncated { received: 0 })),
        refused_by_proxy(502, HeaderMap::new()),
    ];
    errors
        .extend([408, 425, 429, 500, 502, 503, 504, 521].map(|it| answered(it, HeaderMap::new())));
    errors.extend([1, 3, 4, 5, 6].map(|reply| by_proxy(TunnelError::Reply(Reply::from(reply)))));
    for error in errors {
        assert!(error.is_transient(), "{error:?}");
    }
}

#[test]
fn errors_that_need_a_change_are_not_transient() {
    let mut errors = vec![
        ConnectError::Request(RequestError::MissingHost),
        ConnectError::ProxyVariable { variable: "all_proxy", source: ProxyUrlError::Scheme },
        ConnectError::Tls {
            host: "a".into(),
            source: io::Error::new(io::ErrorKind::InvalidData, "a certificate of another name"),
        },
        ConnectError::TlsDisabled,
        ConnectError::Handshake(HandshakeError::MissingHeader { name: "Upgrade" }),
        ConnectError::Redirect(RedirectError::Location(RequestError::MissingHost)),
        ConnectError::GaveUp { attempts: 1, last: Box::new(Event::Closed(None)) },
        by_proxy(TunnelError::NoAcceptableMethod),
        by_proxy(TunnelError::CredentialsRefused { status: 1 }),
        refused_by_proxy(407, HeaderMap::new()),
    ];
    errors
        .extend([200, 302, 400, 401, 403, 404, 501, 505].map(|it| answered(it, HeaderMap::new())));
    errors.extend([2, 7, 8, 9].map(|reply| by_proxy(TunnelError::Reply(Reply::from(reply)))));
    for error in errors {
        assert!(!error.is_transient(), "{error:?}");
    }
}

#[test]
fn a_refusal_may_say_when() {
    for (value, expected) in [
        ("0", Some(0)),
        ("120", Some(120)),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ] {
        let expected = expected.map(Duration::from_secs);
        assert_eq!(answered(503, headers(value)).retry_after(), expected, "{value}");
        assert_eq!(refused_by_proxy(429, headers(value)).retry_after(), expected, "{value}");
    }
    let mut dated = headers("Fri, 31 Dec 1999 23:59:59 GMT");
    dated.insert("date", "Fri, 31 Dec 1999 23:58:00 GMT".parse().unwrap());
    assert_eq!(answered(503, dated).retry_after(), Some(Duration::from_secs(119)));
    assert_eq!(answered(503, HeaderMap::new()).retry_after(), None);
    assert_eq!(ConnectError::TlsDisabled.retry_after(), None);
}
