//! `{error}` alone describes the failure, and printing the whole chain repeats nothing.

use std::error::Error as StdError;
use std::io;

use sockeye::handshake::{HandshakeError, RequestError, SubprotocolError};
use sockeye::proxy::{ProxyUrlError, TunnelError};
use sockeye::reconnect::Event;
use sockeye::{
    ConnectError, Error, ProtocolError, RedirectError, TimedOut, UpgradeError, UsageError,
};

/// An error of another crate whose text omits its source.
#[derive(Debug)]
struct Foreign(io::Error);

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("foreign")
    }
}

impl StdError for Foreign {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn io_error() -> io::Error {
    io::Error::other(Foreign(io::Error::other("the cause")))
}

fn check(error: impl StdError, cause: &str) {
    let text = error.to_string();
    assert!(text.ends_with(cause), "{text}");
    assert_eq!(text.matches(cause).count(), 1, "{text}");
    assert!(error.source().is_none(), "{error:?}");
}

#[test]
fn the_text_of_an_error_ends_with_its_cause() {
    check(Error::Protocol(ProtocolError::InvalidUtf8), "text message is not UTF-8");
    check(Error::Usage(UsageError::NoMessage), "there is no message to add a fragment to");
    check(Error::Io(io_error()), "foreign: the cause");
    check(Error::TimedOut(TimedOut::Closing), "the closing handshake was not finished in time");
    let missing = || HandshakeError::MissingHeader { name: "Upgrade" };
    check(Error::Connect(missing().into()), "the Upgrade header is missing");
    check(Error::Upgrade(missing().into()), "the Upgrade header is missing");
    check(UpgradeError::Io(io_error()), "foreign: the cause");
    check(sockeye::byte_stream::Error::Connection(Error::Io(io_error())), "foreign: the cause");
}

#[test]
fn so_does_that_of_a_failed_connection() {
    let proxy = |source| ConnectError::Proxy { proxy: "proxy.test:80".into(), source };
    let many = || SubprotocolError::TooMany { limit: 64 };
    for (error, cause) in [
        (ConnectError::Request(RequestError::MissingHost), "the URL has no host"),
        (ConnectError::Request(many().into()), "more than 64 subprotocols"),
        (
            ConnectError::ProxyVariable { variable: "all_proxy", source: ProxyUrlError::Path },
            "write a `/` in a password as `%2F`",
        ),
        (ConnectError::Resolve { host: "a".into(), source: io_error() }, "foreign: the cause"),
        (ConnectError::Tls { host: "a".into(), source: io_error() }, "foreign: the cause"),
        (ConnectError::Io(io_error()), "foreign: the cause"),
        (proxy(TunnelError::Io(io_error())), "foreign: the cause"),
        (
            proxy(TunnelError::Answer(HandshakeError::Subprotocols(many()))),
            "more than 64 subprotocols",
        ),
        (RedirectError::Location(RequestError::MissingHost).into(), "the URL has no host"),
        (
            ConnectError::Hook(Box::new(Foreign(io::Error::other("the cause")))),
            "foreign: the cause",
        ),
        (
            ConnectError::GaveUp {
                attempts: 3,
                last: Box::new(Event::Failed(ConnectError::Io(io_error()))),
            },
            "foreign: the cause",
        ),
    ] {
        check(error, cause);
    }
}
