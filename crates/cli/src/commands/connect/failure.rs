//! The failures that only `sockeye connect` has.

use std::time::Duration;

use sockeye::{CloseFrame, Error, ErrorChain};

use crate::client::{Failure, FailureKind};

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

    /// An expectation of a script is not met.
    pub(super) fn unmet(message: impl Into<String>) -> Self {
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
}
