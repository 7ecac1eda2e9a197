//! The reasons why a call fails, each with its exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use sockeye::{ErrorChain, escape};
use sockeye_gateway::status::Code;

/// The exit code of a call that ended with a gRPC status is the number of the status plus this: no
/// other code of the program, and no code of a shell, is in the range from 65 to 80.
const STATUS_BASE: u8 = 64;

/// The reason why a command fails, with the text for the user. Text from a peer is escaped in it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    message: String,
}

/// The kind of a failure, which determines the exit code: `sockeye call --help` lists them.
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
    Interrupted,
    Status(Code),
}

impl Failure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
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

    /// The server answered in another protocol than the call's, or refused the WebSocket.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// The server broke a rule of the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Protocol, message)
    }

    /// The connection ended before the call.
    pub(super) fn lost(error: &(dyn Error + 'static)) -> Self {
        let cause = ErrorChain(error).to_string();
        let message = format!("the connection ended before the call: {}", escape(&cause));
        Self::new(FailureKind::Lost, message)
    }

    /// The user pressed Ctrl-C.
    pub(super) fn interrupted() -> Self {
        Self::new(FailureKind::Interrupted, "interrupted: the call is cancelled")
    }

    /// The call ended with an error status. `details` are JSON, one line each.
    pub(super) fn status(code: Code, message: &str, details: &[String]) -> Self {
        let mut text = format!("{code} ({})", code.number());
        if !message.is_empty() {
            text = format!("{text}: {}", escape(message));
        }
        for detail in details {
            text = format!("{text}\n  detail: {}", escape(detail));
        }
        Self::new(FailureKind::Status(code), text)
    }

    /// Returns the exit code of the program for an error of a command.
    pub(crate) fn exit_code_of(error: &anyhow::Error) -> ExitCode {
        match error.downcast_ref::<Self>() {
            Some(failure) => ExitCode::from(failure.kind.exit_code()),
            None => ExitCode::FAILURE,
        }
    }
}

impl FailureKind {
    fn exit_code(self) -> u8 {
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
            Self::Interrupted => 130,
            // Codes are numbers up to 16.
            Self::Status(code) => STATUS_BASE + u8::try_from(code.number()).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_own_exit_code_and_escaped_text() {
        let details = [r#"{"@type":"a.B"}"#.to_owned()];
        let failure = Failure::status(Code::NotFound, "no\n\u{1b}[2Jbook", &details);
        assert_eq!(failure.kind.exit_code(), 69);
        assert_eq!(
            failure.to_string(),
            "NOT_FOUND (5): no\\n\\u{1b}[2Jbook\n  detail: {\"@type\":\"a.B\"}"
        );
        assert_eq!(Failure::status(Code::Internal, "", &[]).to_string(), "INTERNAL (13)");
    }
}
