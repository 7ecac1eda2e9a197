//! The outcomes of connection handlers.

use std::fmt;

/// The return type of a connection's handler: `()`, or a `Result` whose error is logged at the
/// level `debug`, since most of those errors are peers that disconnected.
///
/// The error is logged in its alternate form, `{error:#}`, in which an `anyhow::Error` displays its
/// causes too. The errors of this crate always do.
///
/// When a handler returns without having closed its connection, the server closes it: with 1000
/// (normal closure), or with 1011 (internal error) when the outcome is an error.
pub trait Outcome {
    /// Returns whether the handler failed. Default: `false`.
    fn is_error(&self) -> bool {
        false
    }

    /// Logs the error, if it is one.
    fn log(self);
}

impl Outcome for () {
    fn log(self) {}
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn is_error(&self) -> bool {
        self.is_err()
    }

    fn log(self) {
        if let Err(error) = self {
            tracing::debug!(error = %format_args!("{error:#}"), "the connection's handler failed");
        }
    }
}
