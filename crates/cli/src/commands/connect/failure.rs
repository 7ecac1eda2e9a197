//! The reasons why `sockeye connect` fails, each with its exit code.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use sockeye::handshake::HandshakeError;
use sockeye::http::StatusCode;
use sockeye::{CloseFrame, ConnectError, Error, ErrorChain, escape};

/// Maximum length of the part of a refusal's body that is shown, in characters.
const SHOWN_BODY: usize = 1000;

/// The reason why a connection failed, with the text for the user. Text from a peer is escaped.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    message: String,
    status: Option<StatusCode>,
}

/// The kind of a failure, which determines the exit code: `sockeye connect --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureKind {
    Other,
    Usage,
    Resolve,
    Connect,
    Tls,
    Refused,
    Protocol,
    Lost,
    Closed,
    Timeout,
    Expectation,
    Interrupted,
}

impl Failure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None }
    }

    /// The arguments or the input are wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

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

    /// The user pressed Ctrl-C.
    pub(super) fn interrupted() -> Self {
        Self::new(FailureKind::Interrupted, "interrupted")
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
                return Self { status: Some(*status), ..Self::new(FailureKind::Refused, message) };
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

    /// Returns the status of the response that refused the WebSocket.
    pub(super) fn http_status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns the exit code if the error of a command is a failure of `sockeye connect`.
    pub(crate) fn exit_code_of(error: &anyhow::Error) -> Option<ExitCode> {
        error.downcast_ref::<Self>().map(|failure| ExitCode::from(failure.kind.exit_code()))
    }
}

impl FailureKind {
    const fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            // That of clap for wrong arguments.
            Self::Usage => 2,
            Self::Resolve => 3,
            Self::Connect => 4,
            Self::Tls => 5,
            Self::Refused => 6,
            Self::Protocol => 7,
            Self::Lost => 8,
            Self::Closed => 9,
            Self::Timeout => 10,
            Self::Expectation => 11,
            // 128 plus the number of SIGINT, as shells report it.
            Self::Interrupted => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
