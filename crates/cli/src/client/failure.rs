//! The reasons why a command fails, each with its exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use sockeye::http::StatusCode;
use sockeye_gateway::status::Code;

/// The exit code of a call that ended with a gRPC status is the number of the status plus this: no
/// other code of the program, and no code of a shell, is in the range from 65 to 80.
const STATUS_BASE: u8 = 64;

/// The reason why a command fails, with the text for the user. Text from a peer is escaped in it.
///
/// The commands add functions for the failures that only they have.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    message: String,
    http_status: Option<StatusCode>,
}

/// The kind of a failure, which determines the exit code: `--help` of the commands lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
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
    Status(Code),
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), http_status: None }
    }

    /// The command cannot be executed, for a reason without a code of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Other, message)
    }

    /// The arguments or the input are wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// The name of the host has no address.
    pub(crate) fn resolve(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Resolve, message)
    }

    /// No address accepts a connection.
    pub(crate) fn connect(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Connect, message)
    }

    /// The TLS handshake failed.
    pub(crate) fn tls(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Tls, message)
    }

    /// The server answered in another protocol than the command's, or refused the WebSocket.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// The server broke a rule of the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Protocol, message)
    }

    /// The user pressed Ctrl-C.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Interrupted, message)
    }

    /// Puts the place of the failure, such as the line of a file, before its text.
    pub(crate) fn within(self, place: &str) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }

    /// Adds the status of the response that refused the WebSocket.
    pub(crate) fn with_http_status(self, status: StatusCode) -> Self {
        Self { http_status: Some(status), ..self }
    }

    /// Returns the status of the response that refused the WebSocket.
    pub(crate) fn http_status(&self) -> Option<StatusCode> {
        self.http_status
    }

    /// Returns the exit code of the program for an error of a command.
    pub(crate) fn exit_code_of(error: &anyhow::Error) -> ExitCode {
        match error.downcast_ref::<Self>() {
            Some(failure) => ExitCode::from(failure.exit_code()),
            None => ExitCode::FAILURE,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            FailureKind::Other => 1,
            // That of clap for wrong arguments.
            FailureKind::Usage => 2,
            FailureKind::Resolve => 3,
            FailureKind::Connect => 4,
            FailureKind::Tls => 5,
            FailureKind::Refused => 6,
            FailureKind::Protocol => 7,
            FailureKind::Lost => 8,
            FailureKind::Closed => 9,
            FailureKind::Timeout => 10,
            FailureKind::Expectation => 11,
            // 128 plus the number of SIGINT, as shells report it.
            FailureKind::Interrupted => 130,
            // Codes are numbers up to 16.
            FailureKind::Status(code) => {
                STATUS_BASE + u8::try_from(code.number()).unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}
