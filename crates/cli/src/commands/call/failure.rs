//! The failures that only calls have.

use std::error::Error;

use sockeye::{ErrorChain, escape};
use sockeye_gateway::status::Code;

use crate::client::{Failure, FailureKind};

impl Failure {
    /// The connection ended before the call.
    pub(super) fn lost(error: &(dyn Error + 'static)) -> Self {
        let cause = ErrorChain(error).to_string();
        let message = format!("the connection ended before the call: {}", escape(&cause));
        Self::new(FailureKind::Lost, message)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_own_exit_code_and_escaped_text() {
        let details = [r#"{"@type":"a.B"}"#.to_owned()];
        let failure = Failure::status(Code::NotFound, "no\n\u{1b}[2Jbook", &details);
        assert_eq!(failure.exit_code(), 69);
        assert_eq!(
            failure.to_string(),
            "NOT_FOUND (5): no\\n\\u{1b}[2Jbook\n  detail: {\"@type\":\"a.B\"}"
        );
        assert_eq!(Failure::status(Code::Internal, "", &[]).to_string(), "INTERNAL (13)");
    }
}
