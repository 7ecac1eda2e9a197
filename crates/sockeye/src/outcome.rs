//! What handlers of connections return.

use std::fmt;

/// What a connection's handler returns: nothing, or a result whose error is logged at the level `debug`, since most of
/// those errors are peers that left.
pub trait Outcome {
    /// Logs the error, if it is one.
    fn log(self);
}

impl Outcome for () {
    fn log(self) {}
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn log(self) {
        if let Err(error) = self {
            tracing::debug!(%error, "the connection's handler failed");
        }
    }
}
