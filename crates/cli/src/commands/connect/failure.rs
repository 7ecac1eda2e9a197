//! The failures that only `sockeye connect` has.

use std::time::Duration;

use sockeye::handshake::HandshakeError;
use sockeye::{CloseFrame, ConnectError, Error, ErrorChain, escape};

use crate::client::{Failure, FailureKind};

/// Maximum length of the part of a refusal's body that is shown, in characters.
const SHOWN_BODY: usize = 1000;

impl Failure {
    /// Standard output or a recording cannot be written.
    pub(super) fn output(error: &std::io::Error) -> Self {
        Self::new(FailureKind::Other, format!("cannot write the output: {}", ErrorChain(error)))
    }

    /// Standard input cannot be read.
    pub(super) fn input(error: &std::io::Error) -> Self {
        Self::new(FailureKind::Other, format!("cannot read the input: {}", ErrorChain(error)))
    }

    /// A thread of the program failed.
    pub(super) fn poisoned() -> Self {
        Self::new(FailureKind::Other, "a thread of the program failed")
    }

    /// `--timeout` expired.
    pub(super) fn timeout(timeout: Duration) -> Self {
        Self::new(FailureKind::Timeout, format!("not finished within {timeout:?}"))
    }

    /// The connection ended before everything expected has arrived.
    pub(super) fn expectation(received: u64) -> Self {
        let message = format!(
            "the connection ended before the expected messages arrived; received: {received}"
        );
        Self::new(FailureKind::Expectation, message)
    }

    /// The server closed the connection with a code that reports a failure.
    pub(super) fn closed(frame: &CloseFrame) -> Self {
        Self::new(FailureKind::Closed, format!("the server closed the connection: {frame}"))
    }

    /// The connection failed.
    pub(super) fn of_connection(error: &Error) -> Self {
        let kind = match error {
            Error::Protocol(_) => FailureKind::Protocol,
            Error::Usage(_) => FailureKind::Usage,
            Error::Closed(Some(_)) | Error::ClosedMidMessage(Some(_)) => FailureKind::Closed,
            _ => FailureKind::Lost,
        };
        Self::new(kind, error.to_string())
    }

    /// The connection was not opened.
    pub(super) fn of_opening(error: &ConnectError) -> Self {
        let kind = match error {
            ConnectError::Request(_)
            | ConnectError::ProxyVariable { .. }
            | ConnectError::TlsConfig(_) => FailureKind::Usage,
            ConnectError::Resolve { .. } => FailureKind::Resolve,
            ConnectError::Tls { .. } => FailureKind::Tls,
            ConnectError::Handshake(HandshakeError::Status { status, body, .. }) => {
                let body = String::from_utf8_lossy(body);
                let shown: String = body.trim().chars().take(SHOWN_BODY).collect();
                let mut message = format!("the server refused the WebSocket: {status}");
                if !shown.is_empty() {
                    message = format!("{message}: {}", escape(&shown));
                }
                return Self::refused(message).with_http_status(*status);
            }
            ConnectError::Handshake(_) => FailureKind::Protocol,
            ConnectError::Redirect(_)
            | ConnectError::NoHttp2 { .. }
            | ConnectError::NoExtendedConnect => FailureKind::Refused,
            ConnectError::TimedOut { .. } => FailureKind::Timeout,
            _ => FailureKind::Connect,
        };
        Self::new(kind, error.to_string())
    }
}
