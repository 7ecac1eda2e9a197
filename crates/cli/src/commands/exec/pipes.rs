//! Commands on pipes.
//!
//! ```text
//!  process ─ stdout ─► framing ─► messages ─► client         (own: one process a connection)
//!     └───── stderr ─► log, stdout or tagged messages        (shared: through a journal to all)
//!  process ◄─ stdin ◄─ framing ◄─ messages ◄─ client
//! ```

mod framing;
mod input;
mod output;
mod own;
mod shared;
mod streams;

pub(super) use self::framing::Framing;
pub(super) use self::own::serve as serve_own;
pub(super) use self::shared::Shared;

use super::arguments::{Exec, StandardError};

/// The reason of the close frame for a client whose token a reload has removed.
const TOKEN_REMOVED: &str = "the token is no longer valid";

/// The form of a process's messages on its pipes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pipes {
    framing: Framing,
    stderr: StandardError,
    /// Maximum length of a message, in bytes.
    max_message: usize,
}

impl Pipes {
    pub(super) fn new(options: &Exec) -> Self {
        let framing = match (options.bytes, options.messages) {
            (true, _) => Framing::Bytes,
            (_, true) => Framing::Messages,
            _ => Framing::Lines,
        };
        Self { framing, stderr: options.stderr, max_message: options.max_message }
    }
}
